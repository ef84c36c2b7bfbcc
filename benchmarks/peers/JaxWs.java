// JAX-WS RI doing the bare stub work on the JDK's own HTTP server; "xsd" as second argument
// switches its schema validation on. Stubs are made from our contract by wsimport.

import bench.ochp.*;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import javax.jws.WebService;
import javax.xml.ws.Endpoint;

public class JaxWs {
    static Result ok() {
        ResultCodeType code = new ResultCodeType();
        code.setResultCode("ok");
        Result result = new Result();
        result.setResultCode(code);
        result.setResultDescription("");
        return result;
    }

    static GetSingleRoamingAuthorisationResponse answer(EmtId asked) {
        DateTimeType expiry = new DateTimeType();
        expiry.setDateTime("2033-01-31T22:59:59Z");
        EmtId token = new EmtId();
        token.setInstance(asked.getInstance());
        token.setTokenType(asked.getTokenType());
        token.setRepresentation(asked.getRepresentation());
        RoamingAuthorisationInfo info = new RoamingAuthorisationInfo();
        info.setEmtId(token);
        info.setContractId("DE-FST-C00000001-X");
        info.setPrintedNumber("FST 00001");
        info.setExpiryDate(expiry);
        GetSingleRoamingAuthorisationResponse answer = new GetSingleRoamingAuthorisationResponse();
        answer.setResult(ok());
        answer.setRoamingAuthorisationInfo(info);
        return answer;
    }

    static AddCDRsResponse taken(AddCDRsRequest request) {
        AddCDRsResponse answer = new AddCDRsResponse();
        answer.setResult(ok());
        answer.getResult().setResultDescription(request.getCdrInfoArray().size() + " taken");
        return answer;
    }

    @WebService(endpointInterface = "bench.ochp.OCHP14", targetNamespace = "http://ochp.eu/1.4",
                serviceName = "e-clearing.net", portName = "eCHS_P-System")
    public static class Plain implements OCHP14 {
        public GetSingleRoamingAuthorisationResponse getSingleRoamingAuthorisation(
                GetSingleRoamingAuthorisationRequest request) {
            return answer(request.getEmtId());
        }
        public AddCDRsResponse addCDRs(AddCDRsRequest request) {
            return taken(request);
        }
        // the rest of the contract is not part of the comparison
        private static RuntimeException no() { return new UnsupportedOperationException(); }
        public GetCDRsResponse getCDRs(GetCDRsRequest r) { throw no(); }
        public CheckCDRsResponse checkCDRs(CheckCDRsRequest r) { throw no(); }
        public ConfirmCDRsResponse confirmCDRs(ConfirmCDRsRequest r) { throw no(); }
        public GetRoamingAuthorisationListResponse getRoamingAuthorisationList(
                GetRoamingAuthorisationListRequest r) { throw no(); }
        public SetRoamingAuthorisationListResponse setRoamingAuthorisationList(
                SetRoamingAuthorisationListRequest r) { throw no(); }
        public GetRoamingAuthorisationListUpdatesResponse getRoamingAuthorisationListUpdates(
                GetRoamingAuthorisationListUpdatesRequest r) { throw no(); }
        public UpdateRoamingAuthorisationListResponse updateRoamingAuthorisationList(
                UpdateRoamingAuthorisationListRequest r) { throw no(); }
        public GetChargePointListResponse getChargePointList(
                GetChargePointListRequest r) { throw no(); }
        public SetChargePointListResponse setChargepointList(
                SetChargePointListRequest r) { throw no(); }
        public GetChargePointListUpdatesResponse getChargePointListUpdates(
                GetChargePointListUpdatesRequest r) { throw no(); }
        public UpdateChargePointListResponse updateChargePointList(
                UpdateChargePointListRequest r) { throw no(); }
        public UpdateTariffsResponse updateTariffs(UpdateTariffsRequest r) { throw no(); }
        public GetTariffUpdatesResponse getTariffUpdates(GetTariffUpdatesRequest r) { throw no(); }
    }

    @com.sun.xml.ws.developer.SchemaValidation
    @WebService(endpointInterface = "bench.ochp.OCHP14", targetNamespace = "http://ochp.eu/1.4",
                serviceName = "e-clearing.net", portName = "eCHS_P-System",
                wsdlLocation = "wsdl/ochp/1.4/ochp.wsdl")
    public static class Checked extends Plain {}

    public static void main(String[] arguments) throws Exception {
        InetSocketAddress at = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
        HttpServer server = HttpServer.create(at, 128);
        server.setExecutor(Executors.newFixedThreadPool(16));
        boolean checked = arguments.length > 1 && arguments[1].equals("xsd");
        Endpoint.create(checked ? new Checked() : new Plain())
                .publish(server.createContext("/ochp/1.4"));
        server.start();
        Thread.currentThread().join();
    }
}
