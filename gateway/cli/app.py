"""The whole command line; ``gateway.__main__`` enters it."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.usage import MOST_WORKERS, usage

app = typer.Typer(
    name="roamgate",
    help="SOAP/XML interoperability gateway for EV-charging roaming (IEC 63119).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def translate(
    source: Annotated[str, typer.Option("--from", help="Protocol of the input, as ochp-1.4.")],
    target: Annotated[str, typer.Option("--to", help="Protocol of the output, as ocpi-2.2.1.")],
    file: Annotated[Path | None, typer.Argument(help="Input; standard input if left out.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write all findings here, as JSON.")] = None,
    envelope: Annotated[bool, typer.Option("--envelope", help="Wrap the output.")] = False,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA zone of sites in countries with several.")
    ] = None,
) -> None:
    """Translate one message; its type is seen from its content."""
    from gateway.cli.translate import command

    raise typer.Exit(
        command(
            source=source,
            target=target,
            file=file,
            report=report,
            envelope=envelope,
            time_zone=time_zone,
        )
    )


ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration file.")]
_CONFIG = Path("roamgate.toml")


@app.command()
def serve(
    config: ConfigFile = _CONFIG,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=MOST_WORKERS, help="Processes; with two or more SIGHUP replaces them."
        ),
    ] = 1,
) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    from gateway.cli.serve import command

    raise typer.Exit(command(config, workers))


@app.command()
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Leave the gateway and its partners running.")
    ] = False,
) -> None:
    """Run a gateway between five simulated partners, through all flows."""
    from gateway.demo.run import run

    raise typer.Exit(run(serve=serve))


configuration = typer.Typer(help="The configuration file.", no_args_is_help=True)
app.add_typer(configuration, name="config")


@configuration.command()
def check(config: Annotated[Path, typer.Argument(help="Configuration file.")] = _CONFIG) -> None:
    """Read the file and tell all that is wrong with it, with lines."""
    from gateway.server.config import load

    with usage():
        read = load(config)
        parties, agreements = len(read.parties), len(read.agreements)
        typer.echo(f"{config}: {parties} parties, {agreements} agreements, no fault")


@configuration.command()
def schema() -> None:
    """Print the JSON Schema of the file."""
    import msgspec

    from gateway.server.config import schema as of_file

    typer.echo(msgspec.json.format(msgspec.json.encode(of_file()), indent=2).decode())


@configuration.command()
def example() -> None:
    """Print a sample file with every option explained."""
    from gateway.server.config import example as sample

    typer.echo(sample(), nl=False)


messages = typer.Typer(help="What came in and went out.", no_args_is_help=True)
app.add_typer(messages, name="messages")
outbox = typer.Typer(help="What is owed to partners.", no_args_is_help=True)
app.add_typer(outbox, name="outbox")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Many = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Print at most so many.")]


@messages.command("find")
def find_messages(
    evse: Annotated[str | None, typer.Option(help="EVSE id, in any spelling.")] = None,
    contract: Annotated[str | None, typer.Option(help="Contract id, in any spelling.")] = None,
    cdr: Annotated[str | None, typer.Option(help="CDR id.")] = None,
    session: Annotated[str | None, typer.Option(help="Session id.")] = None,
    location: Annotated[str | None, typer.Option(help="Location id.")] = None,
    tariff: Annotated[str | None, typer.Option(help="Tariff id.")] = None,
    token: Annotated[str | None, typer.Option(help="Token uid.")] = None,
    party: Annotated[str | None, typer.Option("--party", "--partner", help="Party.")] = None,
    operation: Annotated[
        str | None, typer.Option(help="Canonical message (CdrUpload) or the wire's (AddCDRs).")
    ] = None,
    direction: Annotated[str | None, typer.Option(help="in or out.")] = None,
    outcome: Annotated[str | None, typer.Option(help="ok, or the kind of error.")] = None,
    correlation: Annotated[str | None, typer.Option(help="Correlation id.")] = None,
    since: Annotated[str | None, typer.Option(help="Instant, or how long ago (2h).")] = None,
    until: Annotated[str | None, typer.Option(help="Instant, or how long ago.")] = None,
    before: Annotated[int | None, typer.Option(help="Go on from there.")] = None,
    limit: Many = 50,
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """Find messages in the ledger, newest first."""
    from gateway.cli import messages as command

    with usage():
        code = command.find(
            config,
            as_json=as_json,
            since=since,
            until=until,
            evse=evse,
            contract=contract,
            cdr=cdr,
            session=session,
            location=location,
            tariff=tariff,
            token=token,
            party=party,
            operation=operation,
            direction=direction,
            outcome=outcome,
            correlation=correlation,
            before=before,
            limit=limit,
        )
    raise typer.Exit(code)


@messages.command("show")
def show_message(
    id: Annotated[str, typer.Argument(help="Id of a message.")],
    raw: Annotated[
        str | None, typer.Option(help="Print only these bytes: request, answer, canonical.")
    ] = None,
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """Show a message and its whole life: what came in, what went out for it, each attempt."""
    from gateway.cli import messages as command

    with usage():
        code = command.show(config, id, as_json=as_json, raw=raw)
    raise typer.Exit(code)


@messages.command("replay")
def replay_message(
    id: Annotated[str, typer.Argument(help="Id of a message that came in.")],
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """Map a stored message as it would be today, and show the differences. Sends nothing."""
    from gateway.cli import replay as command

    with usage():
        code = command.run(config, id, as_json=as_json)
    raise typer.Exit(code)


party = typer.Typer(help="Registration with partners.", no_args_is_help=True)
app.add_typer(party, name="party")
PartyId = Annotated[str, typer.Argument(metavar="PARTY", help="The party's id, as configured.")]


@party.command("register")
def register_with(id: PartyId, config: ConfigFile = _CONFIG) -> None:
    """Register with an OCPI partner that gave us its token A; renew tokens when registered."""
    from gateway.cli import party as command

    with usage():
        code = command.register(config, id)
    raise typer.Exit(code)


@party.command("unregister")
def unregister_from(id: PartyId, config: ConfigFile = _CONFIG) -> None:
    """End the registration with an OCPI partner."""
    from gateway.cli import party as command

    with usage():
        code = command.unregister(config, id)
    raise typer.Exit(code)


@outbox.command("list")
def list_outbox(
    state: Annotated[str, typer.Option(help="pending, dead or done.")] = "pending",
    party: Annotated[str | None, typer.Option("--party", "--partner", help="Party.")] = None,
    limit: Many = 100,
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """List deliveries, oldest first."""
    from gateway.cli import outbox as command

    with usage():
        code = command.list_(config, state=state, party=party, limit=limit, as_json=as_json)
    raise typer.Exit(code)


@outbox.command("show")
def show_delivery(
    id: Annotated[int, typer.Argument(help="Number of a delivery.")],
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """Show a delivery and what it says."""
    from gateway.cli import outbox as command

    with usage():
        code = command.show(config, id, as_json=as_json)
    raise typer.Exit(code)


@outbox.command("retry")
def retry_deliveries(
    ids: Annotated[list[int] | None, typer.Argument(help="Numbers of deliveries.")] = None,
    all_dead: Annotated[bool, typer.Option("--all-dead", help="All that were given up.")] = False,
    party: Annotated[
        str | None, typer.Option("--party", "--partner", help="With --all-dead: of this party.")
    ] = None,
    config: ConfigFile = _CONFIG,
) -> None:
    """Put dead deliveries in again; send waiting ones now."""
    from gateway.cli import outbox as command

    with usage():
        code = command.retry(config, ids or [], party=party, all_dead=all_dead)
    raise typer.Exit(code)


@outbox.command("drop")
def drop_deliveries(
    ids: Annotated[list[int], typer.Argument(help="Numbers of deliveries.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    config: ConfigFile = _CONFIG,
) -> None:
    """Take deliveries out for good. What a partner does not get then is lost to it."""
    from gateway.cli import outbox as command

    with usage():
        code = command.drop(config, ids, reason=reason)
    raise typer.Exit(code)


keys = typer.Typer(
    help="Certificates, pins and secrets: what is trusted, for whom, until when.",
    invoke_without_command=True,
)
app.add_typer(keys, name="keys")


@keys.callback()
def show_keys(context: typer.Context, as_json: Json = False, config: ConfigFile = _CONFIG) -> None:
    """List what is shown, used and trusted, for whom and until when."""
    from gateway.cli import keys as command

    if context.invoked_subcommand is None:
        with usage():
            raise typer.Exit(command.show(config, as_json=as_json))


@keys.command("check")
def check_keys(
    days: Annotated[int, typer.Option(min=0, help="What ends within so many days.")] = 30,
    as_json: Json = False,
    config: ConfigFile = _CONFIG,
) -> None:
    """List what is over, ends soon or cannot be read; exit code 1 when there is any."""
    from gateway.cli import keys as command

    with usage():
        raise typer.Exit(command.check(config, days=days, as_json=as_json))


@keys.command("hash")
def hash_secret(
    new: Annotated[bool, typer.Option("--new", help="Make a random secret.")] = False,
    as_json: Json = False,
) -> None:
    """Print the stored form of a secret, read from standard input, for password_in or token_in."""
    from gateway.cli import keys as command

    with usage():
        raise typer.Exit(command.hash_secret(new=new, as_json=as_json))


@keys.command("pin")
def pin_certificate(
    file: Annotated[Path, typer.Argument(help="PEM file with a certificate.")],
) -> None:
    """Print the pin of a certificate's public key, for pinned_keys."""
    from gateway.cli import keys as command

    with usage():
        raise typer.Exit(command.pin(file))


@keys.command("new")
def new_key(
    party: Annotated[
        str | None, typer.Argument(help="For whom; without it: the TLS listener's.")
    ] = None,
    use: Annotated[str, typer.Option(help="signing or client (TLS).")] = "signing",
    kind: Annotated[str, typer.Option(help="rsa, p256 or p384.")] = "rsa",
    subject: Annotated[str | None, typer.Option(help="As CN=gateway,O=Example.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of the own certificate.")] = 730,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: beside the present key.")
    ] = None,
    config: ConfigFile = _CONFIG,
) -> None:
    """Make a key, a certificate and a request beside those in use; tell what to do with them."""
    from gateway.cli import keys as command

    with usage():
        raise typer.Exit(
            command.new(
                config, party, use=use, kind=kind, subject=subject, days=days, folder=folder
            )
        )


@keys.command("use")
def use_key(
    key: Annotated[Path, typer.Option(help="PEM file: the new private key.")],
    certificate: Annotated[
        Path, typer.Option(help="PEM file: its certificate, and those above it.")
    ],
    party: Annotated[
        str | None, typer.Argument(help="For whom; without it: the TLS listener.")
    ] = None,
    use: Annotated[str, typer.Option(help="signing or client (TLS).")] = "signing",
    config: ConfigFile = _CONFIG,
) -> None:
    """Put a new key and certificate in the place of those in use, which are kept beside them."""
    from gateway.cli import keys as command

    with usage():
        raise typer.Exit(command.use(config, party, use=use, key=key, certificate=certificate))


@app.command()
def version() -> None:
    """Print the version."""
    from gateway import __version__

    typer.echo(f"roamgate {__version__}")
