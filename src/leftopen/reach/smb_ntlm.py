"""The one login that SMB is asked for: the anonymous one of NTLM, as constant bytes.

An anonymous NTLM login names no user and answers no challenge ([MS-NLMP] 3.2.5.1.2), so what is
sent never depends on what the server said. It travels inside SPNEGO (RFC 4178, [MS-SPNG]).
"""

from __future__ import annotations

import struct
from typing import Final

from leftopen.reach.ldap_wire import encoded

_SPNEGO: Final = bytes.fromhex("06062b0601050502")  # 1.3.6.1.5.5.2
_NTLM: Final = bytes.fromhex("060a2b06010401823702020a")  # 1.3.6.1.4.1.311.2.2.10
# Unicode, request target, NTLM, always sign, extended session security, 128 bits
_FLAGS: Final = 0x2008_8205
_ANONYMOUS: Final = 0x800
_PAYLOAD: Final = 64  # where the fields of an AUTHENTICATE message end


def _field(size: int, offset: int) -> bytes:
    return struct.pack("<HHI", size, size, offset)


def _hello() -> bytes:
    """NEGOTIATE_MESSAGE ([MS-NLMP] 2.2.1.1) without a domain and without a workstation."""
    message = b"NTLMSSP\0" + struct.pack("<II", 1, _FLAGS) + _field(0, 0) * 2
    inner = encoded(0x30, encoded(0xA0, encoded(0x30, _NTLM)), encoded(0xA2, encoded(4, message)))
    return encoded(0x60, _SPNEGO, encoded(0xA0, inner))


def _nobody() -> bytes:
    """AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3) of nobody: one zero byte as the LM response."""
    lengths = _field(1, _PAYLOAD) + _field(0, _PAYLOAD + 1) * 5
    message = b"NTLMSSP\0" + struct.pack("<I", 3) + lengths
    message += struct.pack("<I", _FLAGS | _ANONYMOUS) + b"\0"
    return encoded(0xA1, encoded(0x30, encoded(0xA2, encoded(4, message))))


NEGOTIATE: Final = _hello()
AUTHENTICATE: Final = _nobody()
