"""Two instruments made with libraries that nobody here wrote, each a program: `python foreign_meters.py scpipy PORT`,
`python foreign_meters.py sinstruments [SERIAL_LINK]`. The first line they print is where they are.
"""

import sys


def scpipy(port):
    """A power meter: scpipy's command tree, error queue and status registers."""
    import asyncio
    from contextlib import asynccontextmanager, suppress

    from scpipy.server import Router, Server
    from scpipy.shared.errors import DefaultScpiErrors, ScpiException

    router, settings = Router(), {"wavelength_nm": 532.0}

    @router.register("*IDN?")
    def identity(context):
        return "Acme,Meter 3000,M-17,1.5"

    @router.register("SENSe:CORRection:WAVelength <value>")
    def set_wavelength(context, value):
        if not 400 <= float(value) <= 1100:
            raise ScpiException(DefaultScpiErrors.DATA_OUT_OF_RANGE.value)
        settings["wavelength_nm"] = float(value)

    @router.register("SENSe:CORRection:WAVelength?")
    def wavelength(context):
        return settings["wavelength_nm"]

    @router.register("MEASure[:SCALar]:POWer?")
    def power(context):
        return "1.25E-3 W"

    @router.register("SENSe:STATe?")
    def state(context):
        return "ON"

    async def announce():
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                print(port, flush=True)
                return
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def announced(_server):
        task = asyncio.create_task(announce())
        yield
        await task

    server = Server("127.0.0.1", port, shared_context=True, lifespan=announced)
    server.include_router(router)
    server.run()


def sinstruments(link=None):
    """A digitizer on TCP, or on a serial line; it hands replies to the system in one write, and what does not fit is lost."""
    import gevent
    from sinstruments.simulator import BaseDevice, Server

    class Digitizer(BaseDevice):
        def handle_message(self, message):
            word = message.strip()
            if word == b"SLOW?":
                gevent.sleep(3.0)
                return b"late\n"
            if word.startswith(b"BLOCK? "):
                n = int(word.split()[1])
                return b"#9%09d%s\n" % (n, bytes(n))
            if word.startswith(b"TEXT? "):
                return b"x" * int(word.split()[1]) + b"\n"
            return {b"*IDN?": b"Acme,Digitizer,D-4,0.2\n", b"SYST:ERR?": b'0,"No error"\n'}.get(word)

    sys.modules["digitizer"] = sys.modules["__main__"]
    sys.modules["__main__"].Digitizer = Digitizer
    transport = {"type": "tcp", "url": ("127.0.0.1", 0)} if link is None else {"type": "serial", "url": link}
    server = Server([{"class": "Digitizer", "package": "digitizer", "name": "digitizer", "transports": [transport]}])
    server.start()
    gevent.sleep(0.05)
    (made,) = server.devices["digitizer"].transports
    print(made.server_port if link is None else link, flush=True)
    gevent.get_hub().join()


if __name__ == "__main__":
    if sys.argv[1] == "scpipy":
        scpipy(int(sys.argv[2]))
    else:
        sinstruments(*sys.argv[2:])
