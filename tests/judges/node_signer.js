// xml-crypto behind standard input: one JSON request a line, one JSON answer a line.
// {"do": "sign", "key", "certificate", "method", "digest", "message", "xpaths", "transforms"}
//   -> {"message"}
// {"do": "verify", "certificate", "message"} -> {"references": [canonical XML, ...]}
// anything that fails -> {"error"}
const path = require("path");
const modules = process.env.ROAMGATE_NODE_MODULES || "node_modules";
const { SignedXml } = require(path.resolve(modules, "xml-crypto"));
const { DOMParser } = require(path.resolve(modules, "@xmldom/xmldom"));

const EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#";
const WSSE =
  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const X509V3 =
  "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";

function sign(request) {
  const signer = new SignedXml({
    idMode: "wssecurity",
    privateKey: request.key,
    signatureAlgorithm: request.method,
    canonicalizationAlgorithm: EXCLUSIVE,
    getKeyInfoContent: () =>
      `<wsse:SecurityTokenReference xmlns:wsse="${WSSE}">` +
      `<wsse:Reference URI="#token" ValueType="${X509V3}"/></wsse:SecurityTokenReference>`,
  });
  for (const xpath of request.xpaths) {
    signer.addReference({
      xpath,
      transforms: request.transforms,
      digestAlgorithm: request.digest,
    });
  }
  signer.computeSignature(request.message, {
    location: { reference: "//*[local-name(.)='Security']", action: "append" },
    existingPrefixes: { wsse: WSSE },
  });
  return { message: signer.getSignedXml() };
}

function verify(request) {
  const document = new DOMParser().parseFromString(request.message, "text/xml");
  const verifier = new SignedXml({ idMode: "wssecurity", publicCert: request.certificate });
  verifier.loadSignature(document.getElementsByTagNameNS("http://www.w3.org/2000/09/xmldsig#", "Signature")[0]);
  if (!verifier.checkSignature(request.message)) throw new Error("the signature is wrong");
  return { references: verifier.getSignedReferences() };
}

require("readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    let answer;
    try {
      const request = JSON.parse(line);
      answer = request.do === "sign" ? sign(request) : verify(request);
    } catch (error) {
      answer = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  });
