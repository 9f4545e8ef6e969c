"""Windows' data protection (DPAPI) by ctypes: two calls, for the account that runs.

https://learn.microsoft.com/windows/win32/api/dpapi/nf-dpapi-cryptprotectdata
Imported on Windows only; check its types with `mypy --platform win32`.
"""

import sys

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    # Never a dialog: in a service nobody could answer it, and it would hang.
    _UI_FORBIDDEN = 0x1
    # Not a secret: only distinguishes our values from those of the account's other programs.
    _ENTROPY = b"DingBridge secrets 1"

    class _Blob(ctypes.Structure):
        _fields_ = (("size", wintypes.DWORD), ("data", ctypes.c_void_p))

    def protect(plain: bytes) -> bytes:
        """Return `plain` sealed for this account; raises OSError with Windows' error."""
        return _call("CryptProtectData", plain)

    def unprotect(sealed: bytes) -> bytes:
        """Return what was sealed. Raises OSError if it was not sealed for this account."""
        return _call("CryptUnprotectData", sealed)

    def _call(function: str, content: bytes) -> bytes:
        """Call one of the two functions; they differ only in a parameter that we do not use."""
        call = getattr(ctypes.WinDLL("crypt32", use_last_error=True), function)
        pointer = ctypes.POINTER(_Blob)
        unused = ctypes.c_void_p
        call.argtypes = (pointer, unused, pointer, unused, unused, wintypes.DWORD, pointer)
        call.restype = wintypes.BOOL
        # The buffers have names, so that they live until the call returns.
        source = ctypes.create_string_buffer(content, len(content))
        entropy = ctypes.create_string_buffer(_ENTROPY, len(_ENTROPY))
        result = _Blob()
        succeeded = call(
            _blob(source), None, _blob(entropy), None, None, _UI_FORBIDDEN, ctypes.byref(result)
        )
        if not succeeded:
            raise ctypes.WinError(ctypes.get_last_error())
        return _taken(result)

    def _blob(buffer: "ctypes.Array[ctypes.c_char]") -> _Blob:
        return _Blob(len(buffer), ctypes.addressof(buffer))

    def _taken(blob: _Blob) -> bytes:
        """Copy what Windows allocated, then wipe and free it."""
        free = ctypes.WinDLL("kernel32", use_last_error=True).LocalFree
        free.argtypes = (ctypes.c_void_p,)
        free.restype = ctypes.c_void_p
        try:
            content = ctypes.string_at(blob.data, blob.size)
            ctypes.memset(blob.data, 0, blob.size)
            return content
        finally:
            free(blob.data)
