<?php
// A PHP caller's view of the gateway: ext-soap reads the published WSDL.
// Run it against `make serve`:
//   php examples/caller.php http://127.0.0.1:8080/ochp/1.4?wsdl fahrstrom demo-fahrstrom

[, $wsdl, $username, $password] = $argv;
$wsse = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';
$text = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText';
$header = new SoapVar(
    '<w:Security xmlns:w="' . $wsse . '"><w:UsernameToken><w:Username>'
    . htmlspecialchars($username, ENT_XML1) . '</w:Username><w:Password Type="' . $text . '">'
    . htmlspecialchars($password, ENT_XML1) . '</w:Password></w:UsernameToken></w:Security>',
    XSD_ANYXML
);
$client = new SoapClient($wsdl, ['cache_wsdl' => WSDL_CACHE_NONE, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS]);
$client->__setSoapHeaders(new SoapHeader($wsse, 'Security', $header));

$answer = $client->GetChargePointList();
$points = $answer->chargePointInfoArray ?? [];
echo $answer->result->resultCode->resultCode, ' ', count($points), " charge points\n";
foreach (array_slice($points, 0, 3) as $point) {
    echo '  ', $point->evseId, ' ', $point->locationName, ' ', $point->chargePointAddress->city, "\n";
}
