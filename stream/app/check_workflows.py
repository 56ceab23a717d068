"""`tray-stream check --probe`: whether each workflow can be reached."""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

from stream.app.finding import Finding
from stream.settings.model import Settings
from stream.settings.workflow import Workflow
from stream.webhook.connection import shared_tls

PROBE_TIMEOUT_S = 5.0


async def probe_workflows(settings: Settings) -> list[Finding]:
    """Whether each workflow's host takes a connection, with TLS where its URL says so; no event is sent."""
    return list(await asyncio.gather(*(_probe(workflow) for workflow in settings.workflows)))


async def _probe(workflow: Workflow) -> Finding:
    url = urlsplit(workflow.url.reveal())
    what = f"workflow {workflow.name} at {workflow.url.redacted()}"
    is_tls = url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(url.hostname, port, ssl=shared_tls() if is_tls else None)
            writer.close()
            await writer.wait_closed()
    except TimeoutError:
        return Finding(what, "failed", f"No connection within {PROBE_TIMEOUT_S:.0f} s.")
    except socket.gaierror:
        return Finding(what, "failed", "Its host name is not known.")
    except ssl.SSLError as error:
        return Finding(what, "failed", f"TLS failed: {error.reason or type(error).__name__}.")
    except OSError as error:
        return Finding(what, "failed", f"No connection: {error.strerror or type(error).__name__}.")
    return Finding(what, "ok", "connects, with TLS" if is_tls else "connects, without TLS")
