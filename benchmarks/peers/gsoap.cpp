// gSOAP doing the bare stub work: a thread for each kept connection, code made from our contract by
// wsdl2h -s and soapcpp2 -S. It checks names and code lists, but no patterns of the schema.

#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include "soapH.h"
#include "ochp.nsmap"

static ns1__Result *ok(struct soap *soap, const char *text) {
    ns1__ResultCodeType *code = soap_new_ns1__ResultCodeType(soap);
    code->resultCode = _ns1__ResultCodeType_resultCode__ok;
    ns1__Result *result = soap_new_ns1__Result(soap);
    result->resultCode = code;
    result->resultDescription = (char **)soap_malloc(soap, sizeof(char *));
    *result->resultDescription = soap_strdup(soap, text);
    return result;
}

int __ns1__GetSingleRoamingAuthorisation(struct soap *soap,
                                         _ns1__GetSingleRoamingAuthorisationRequest *request,
                                         _ns1__GetSingleRoamingAuthorisationResponse &answer) {
    ns1__DateTimeType *expiry = soap_new_ns1__DateTimeType(soap);
    expiry->DateTime = (char *)"2033-01-31T22:59:59Z";
    ns1__RoamingAuthorisationInfo *info = soap_new_ns1__RoamingAuthorisationInfo(soap);
    info->EmtId = request->emtId;
    info->contractId = (char *)"DE-FST-C00000001-X";
    info->printedNumber = (char **)soap_malloc(soap, sizeof(char *));
    *info->printedNumber = (char *)"FST 00001";
    info->expiryDate = expiry;
    answer.result = ok(soap, "");
    answer.roamingAuthorisationInfo = info;
    return SOAP_OK;
}

int __ns1__AddCDRs(struct soap *soap, _ns1__AddCDRsRequest *request,
                   _ns1__AddCDRsResponse &answer) {
    char text[40];
    snprintf(text, sizeof text, "%d taken", request->__sizecdrInfoArray);
    answer.result = ok(soap, text);
    return SOAP_OK;
}

// the rest of the contract is not part of the comparison
#define NOT_SERVED(operation, request, response)                                    \
    int __ns1__##operation(struct soap *soap, _ns1__##request *, _ns1__##response &) { \
        return soap_receiver_fault(soap, "not served", NULL);                       \
    }
#define NONE(name) NOT_SERVED(name, name##Request, name##Response)
NONE(GetCDRs)
NONE(CheckCDRs)
NONE(ConfirmCDRs)
NONE(GetRoamingAuthorisationList)
NONE(SetRoamingAuthorisationList)
NONE(GetRoamingAuthorisationListUpdates)
NONE(UpdateRoamingAuthorisationList)
NONE(GetChargePointList)
NOT_SERVED(SetChargepointList, SetChargePointListRequest, SetChargePointListResponse)
NONE(GetChargePointListUpdates)
NONE(UpdateChargePointList)
NONE(UpdateTariffs)
NONE(GetTariffUpdates)
NONE(UpdateStatus)
NONE(GetStatus)

static void *serve(void *connection) {
    struct soap *soap = (struct soap *)connection;
    pthread_detach(pthread_self());
    soap_serve(soap);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return NULL;
}

int main(int count, char **arguments) {
    struct soap *soap = soap_new1(SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING);
    soap->bind_flags = SO_REUSEADDR;
    soap->max_keep_alive = 2000000000;
    soap->accept_flags = SO_LINGER;
    if (count < 2 || soap_bind(soap, "127.0.0.1", atoi(arguments[1]), 128) < 0) return 1;
    while (soap_valid_socket(soap_accept(soap))) {
        pthread_t thread;
        pthread_create(&thread, NULL, serve, soap_copy(soap));
    }
    return 1;
}
