// node-soap, two ways: "serve PORT WSDL" does the bare stub work of a server; "hop PORT WSDL ADDRESS"
// takes an OCPI authorize request, asks a SOAP partner and answers in JSON. It validates nothing.

const fs = require("fs");
const http = require("http");
const soap = require("soap");

const [, , kind, port, wsdl, address] = process.argv;

const ok = (text) => ({ resultCode: { resultCode: "ok" }, resultDescription: text });
const operations = {
  GetSingleRoamingAuthorisation: ({ emtId }) => ({
    result: ok(""),
    roamingAuthorisationInfo: {
      EmtId: emtId,
      contractId: "DE-FST-C00000001-X",
      printedNumber: "FST 00001",
      expiryDate: { DateTime: "2033-01-31T22:59:59Z" },
    },
  }),
  AddCDRs: ({ cdrInfoArray }) => ({ result: ok(`${cdrInfoArray.length} taken`) }),
};

function serve() {
  const server = http.createServer((_, response) => response.writeHead(404).end());
  // it finds the port by the path of its address in the contract, so it is served there
  const services = { "e-clearing.net": { "eCHS_P-System": operations } };
  const xml = fs.readFileSync(wsdl, "utf8");
  const callback = () => server.listen(Number(port), "127.0.0.1");
  soap.listen(server, { path: "/service/ochp/v1.4", services, xml, uri: wsdl, callback });
}

async function hop() {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  const client = await soap.createClientAsync(wsdl, { endpoint: address });
  client.setSecurity(new soap.WSSecurity("roamgate", "bench-out", { hasTimeStamp: false }));
  const now = () => new Date().toISOString().replace(/\.\d+/, "");

  async function answer(request, response) {
    const [, uid] = /\/tokens\/([^/?]+)\/authorize/.exec(request.url) || [];
    if (request.headers.authorization !== "Token bench-token" || !uid) {
      return response.writeHead(uid ? 401 : 404).end();
    }
    let text = "";
    for await (const piece of request) text += piece;
    const location = text ? JSON.parse(text) : undefined;
    const question = {
      emtId: { attributes: { representation: "plain" }, instance: uid, tokenType: "rfid" },
    };
    const [found] = await client.GetSingleRoamingAuthorisationAsync(question, {
      agent, forever: true,
    });
    const info = found.roamingAuthorisationInfo;
    const token = info && {
      country_code: info.contractId.slice(0, 2),
      party_id: info.contractId.slice(3, 6),
      uid: info.EmtId.instance,
      type: "RFID",
      contract_id: info.contractId,
      visual_number: info.printedNumber,
      issuer: "#NA",
      valid: info.expiryDate.DateTime > now(),
      whitelist: "ALLOWED",
      last_updated: now(),
    };
    const allowed = token ? (token.valid ? "ALLOWED" : "EXPIRED") : "NOT_ALLOWED";
    const body = JSON.stringify({
      data: { allowed, token, location }, status_code: 1000, timestamp: now(),
    });
    response.writeHead(200, { "Content-Type": "application/json" }).end(body);
  }

  http.createServer((request, response) =>
    answer(request, response).catch((error) => response.writeHead(502).end(String(error)))
  ).listen(Number(port), "127.0.0.1");
}

kind === "serve" ? serve() : hop();
