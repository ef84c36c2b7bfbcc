"""One small authorisation, and a thousand charge records, in process.

Checks: gate, envelope and schema at Roamgate; schema at the others (libxml2 with our own XSD at
zeep and spyne, xmlschema's own at itself).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from lxml import etree

from benchmarks import samples
from benchmarks.operations import (
    PASSWORD,
    USER,
    XSD,
    Operation,
    body_of,
    operation,
    xsd,
    zeep_types,
)
from benchmarks.translators import Dotted, cdr
from gateway.schema import contract_file

CDRS = 1000

# -- one small authorisation -----------------------------------------------------------------


def asked() -> bytes:
    return samples.envelope(samples.question(7), USER, PASSWORD)


@operation("authorise/ours")
def _() -> Operation:
    from gateway import registry
    from gateway.mapping.compile import codec
    from gateway.mapping.context import Context, NoFacts
    from gateway.schema import schema_for
    from gateway.security.parse import Limits, parse
    from gateway.soap import envelope

    form = registry.adapter_for("ochp-1.4").operations["GetSingleRoamingAuthorisation"]
    schema, limits, ctx = schema_for("ochp", "1.4"), Limits(), Context(NoFacts(), {})
    answer = (
        samples.tokens()
        .split("</roamingAuthorisationInfoArray>")[0]
        .partition("<roamingAuthorisationInfoArray>")[2]
    )
    reply = codec(form.reply.record).read(
        etree.fromstring(
            f'<GetSingleRoamingAuthorisationResponse xmlns="{samples.NS}"><result><resultCode>'
            "<resultCode>ok</resultCode></resultCode><resultDescription/></result>"
            f"<roamingAuthorisationInfo>{answer}</roamingAuthorisationInfo>"
            "</GetSingleRoamingAuthorisationResponse>"
        )
    )
    data, read, write = asked(), codec(form.request.record).read, codec(form.reply.record).write_xml

    def once() -> bytes:
        message = envelope.read(parse(data, limits))
        assert not schema.check(message.body)
        read(message.body)
        return envelope.write(message.version, write(reply, ctx).encode())

    return once


@operation("authorise/libxml2")
def _() -> Operation:
    data, schema, answer = asked(), xsd(), samples.envelope("<a/>")

    def once() -> bytes:
        schema.assertValid(body_of(etree.fromstring(data)))
        return answer

    return once


@operation("authorise/spyne")
def _() -> Operation:
    from spyne import MethodContext, ServerBase

    from benchmarks.spyne_server import authorisation

    server, data = ServerBase(authorisation()), asked()

    def once() -> bytes:
        context = MethodContext(server, MethodContext.SERVER)
        context.in_string = [data]
        (context,) = server.generate_contexts(context)
        server.get_in_object(context)
        server.get_out_object(context)
        server.get_out_string(context)
        assert context.in_error is None
        assert context.out_error is None
        return b"".join(context.out_string)

    return once


@operation("authorise/zeep")
def _() -> Operation:
    types, schema, data = zeep_types(), xsd(), asked()
    request = types.get_element(f"{{{samples.NS}}}GetSingleRoamingAuthorisationRequest")
    response = types.get_element(f"{{{samples.NS}}}GetSingleRoamingAuthorisationResponse")

    def once() -> bytes:
        body = body_of(etree.fromstring(data))
        schema.assertValid(body)
        asked = request.parse(body, types)
        answer = response(
            result={"resultCode": {"resultCode": "ok"}, "resultDescription": ""},
            roamingAuthorisationInfo={
                "EmtId": asked.emtId,
                "contractId": "DE-FST-C00000001-X",
                "printedNumber": "FST 00001",
                "expiryDate": {"DateTime": "2033-01-31T22:59:59Z"},
            },
        )
        envelope = etree.Element(f"{{{samples.SOAP}}}Envelope")
        response.render(etree.SubElement(envelope, f"{{{samples.SOAP}}}Body"), answer)
        return etree.tostring(envelope)

    return once


# -- a thousand charge records ---------------------------------------------------------------


@operation("cdrs/ours")
def _() -> Operation:
    from gateway import registry
    from gateway.cli.translate import MessageFacts
    from gateway.mapping.compile import codec
    from gateway.mapping.context import Context
    from gateway.schema import schema_for
    from gateway.security.json_gate import write_json
    from gateway.security.parse import Limits, parse
    from gateway.soap import envelope

    ochp, ocpi = registry.adapter_for("ochp-1.4"), registry.adapter_for("ocpi-2.2.1")
    record = ochp.operations["AddCDRs"].request.record
    schema, limits, data = schema_for("ochp", "1.4"), Limits(), samples.envelope(samples.cdrs(CDRS))
    options = {"cdr_location_fallback": True}

    def once() -> bytes:
        body = envelope.read(parse(data, limits)).body
        assert not schema.check(body)
        message = codec(record).read(body)
        form = ocpi.natural("ocpi-2.2.1", message)
        return write_json(
            codec(form.record).write_json(message, Context(MessageFacts(None), options))
        )

    return once


def _by_hand(read: Callable[[bytes], Any]) -> Operation:
    data = samples.envelope(samples.cdrs(CDRS))

    def once() -> bytes:
        return msgspec.json.encode([cdr(each) for each in read(data)])

    return once


@operation("cdrs/libxml2")
def _() -> Operation:
    data, schema = samples.envelope(samples.cdrs(CDRS)), xsd()
    return lambda: schema.assertValid(body_of(etree.fromstring(data)))


@operation("cdrs/zeep")
def _() -> Operation:
    types, schema = zeep_types(), xsd()
    request = types.get_element(f"{{{samples.NS}}}AddCDRsRequest")

    def read(data: bytes) -> Any:
        body = body_of(etree.fromstring(data))
        schema.assertValid(body)
        return request.parse(body, types).cdrInfoArray

    return _by_hand(read)


@operation("cdrs/spyne")
def _() -> Operation:
    from spyne.protocol.xml import XmlDocument

    from benchmarks.spyne_models import Models

    kind, protocol, schema = Models().message("AddCDRsRequest"), XmlDocument(), xsd()

    def read(data: bytes) -> Any:
        body = body_of(etree.fromstring(data))
        schema.assertValid(body)
        return protocol.from_element(None, kind, body).cdrInfoArray

    return _by_hand(read)


@operation("cdrs/xmlschema")
def _() -> Operation:
    import xmlschema

    schema = xmlschema.XMLSchema(contract_file(XSD))

    def read(data: bytes) -> Any:
        body = body_of(etree.fromstring(data))
        return Dotted(schema.to_dict(body)).cdrInfoArray

    return _by_hand(read)
