import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import javax.security.auth.callback.*;
import javax.xml.parsers.*;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.apache.ws.security.*;
import org.apache.ws.security.components.crypto.*;
import org.apache.ws.security.message.*;
import org.w3c.dom.Document;

/**
 * Apache WSS4J behind standard input: one request a line, one answer a line.
 *
 * sign KEYSTORE REFERENCE METHOD DIGEST {ns}name[,...] MESSAGE  ->  ok MESSAGE
 * verify KEYSTORE MESSAGE                                       ->  ok {ns}name[,...]
 * username TYPE NAME PASSWORD MESSAGE                           ->  ok MESSAGE
 * check NAME PASSWORD MESSAGE                                   ->  ok TYPE
 * anything that fails                                           ->  no REASON
 *
 * Messages are base64; keystores are PKCS#12 with the password "judge" and the alias "key".
 */
public class Wss4j {
    static final Map<String, Integer> REFERENCES = Map.of(
        "binary-token", WSConstants.BST_DIRECT_REFERENCE,
        "issuer-serial", WSConstants.ISSUER_SERIAL,
        "certificate", WSConstants.X509_KEY_IDENTIFIER,
        "key-identifier", WSConstants.SKI_KEY_IDENTIFIER,
        "thumbprint", WSConstants.THUMBPRINT_IDENTIFIER);

    public static void main(String[] arguments) throws Exception {
        WSSConfig.init();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            try {
                System.out.println("ok " + answer(words));
            } catch (Exception error) {
                System.out.println("no " + String.valueOf(error).replaceAll("\\s+", " "));
            }
        }
    }

    static String answer(String[] words) throws Exception {
        switch (words[0]) {
            case "sign": return sign(words);
            case "username": return username(words);
            case "check": return check(words);
            default: return verify(words);
        }
    }

    static String username(String[] words) throws Exception {
        Document document = parse(words[4]);
        WSSecHeader header = new WSSecHeader();
        header.insertSecurityHeader(document);
        WSSecUsernameToken token = new WSSecUsernameToken();
        token.setPasswordType(words[1]);
        token.setUserInfo(words[2], words[3]);
        token.addNonce();
        token.addCreated();
        token.build(document, header);
        return written(document);
    }

    static String check(String[] words) throws Exception {
        Document document = parse(words[3]);
        CallbackHandler passwords = callbacks -> {
            WSPasswordCallback asked = (WSPasswordCallback) callbacks[0];
            if (asked.getIdentifier().equals(words[1])) asked.setPassword(words[2]);
        };
        List<WSSecurityEngineResult> results = new WSSecurityEngine().processSecurityHeader(
            document, null, passwords, null);
        return ((org.apache.ws.security.message.token.UsernameToken) results.get(0).get(
            WSSecurityEngineResult.TAG_USERNAME_TOKEN)).getPasswordType();
    }

    static String sign(String[] words) throws Exception {
        Document document = parse(words[6]);
        WSSecHeader header = new WSSecHeader();
        header.insertSecurityHeader(document);
        WSSecTimestamp timestamp = new WSSecTimestamp();
        timestamp.setTimeToLive(300);
        timestamp.build(document, header);
        WSSecSignature signature = new WSSecSignature();
        signature.setUserInfo("key", "judge");
        signature.setKeyIdentifierType(REFERENCES.get(words[2]));
        signature.setSignatureAlgorithm(words[3]);
        signature.setDigestAlgo(words[4]);
        List<WSEncryptionPart> parts = new ArrayList<>();
        for (String part : words[5].split(",")) {
            int end = part.indexOf('}');
            parts.add(new WSEncryptionPart(part.substring(end + 1), part.substring(1, end), ""));
        }
        signature.setParts(parts);
        signature.build(document, crypto(words[1]), header);
        return written(document);
    }

    static String written(Document document) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Transformer writer = TransformerFactory.newInstance().newTransformer();
        writer.transform(new DOMSource(document), new StreamResult(out));
        return Base64.getEncoder().encodeToString(out.toByteArray());
    }

    static String verify(String[] words) throws Exception {
        Document document = parse(words[2]);
        List<WSSecurityEngineResult> results = new WSSecurityEngine().processSecurityHeader(
            document, null, null, crypto(words[1]));
        if (results == null) throw new Exception("no Security header");
        List<String> names = new ArrayList<>();
        for (WSSecurityEngineResult result : results) {
            Object references = result.get(WSSecurityEngineResult.TAG_DATA_REF_URIS);
            if (references == null) continue;
            for (Object reference : (List<?>) references) {
                names.add(((WSDataRef) reference).getName().toString());
            }
        }
        return String.join(",", names);
    }

    static Crypto crypto(String keystore) throws Exception {
        Properties properties = new Properties();
        String merlin = "org.apache.ws.security.crypto.merlin.keystore.";
        properties.put("org.apache.ws.security.crypto.provider", Merlin.class.getName());
        properties.put(merlin + "file", keystore);
        properties.put(merlin + "type", "pkcs12");
        properties.put(merlin + "password", "judge");
        properties.put(merlin + "alias", "key");
        return CryptoFactory.getInstance(properties);
    }

    static Document parse(String message) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        byte[] bytes = Base64.getDecoder().decode(message);
        return factory.newDocumentBuilder().parse(new ByteArrayInputStream(bytes));
    }
}
