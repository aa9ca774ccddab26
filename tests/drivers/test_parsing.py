"""Program messages: what is composed is understood, what is not is refused by number, and nothing crashes."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.drivers.messages import block_head
from opu.drivers.parsing import LONGEST_TEXT, Call, MessageEnd, calls, text_after_check
from opu.drivers.scpi import COMMANDS, spellings
from opu.drivers.scpi_errors import NAMES, ScpiError

finite = st.floats(allow_nan=False, allow_infinity=False)
of_kind = {
    "integer": st.integers(0, 200).map(lambda n: (str(n), n)),
    "real": finite.map(lambda x: (repr(x), x)),
    "boolean": st.sampled_from([("ON", True), ("off", False), ("1", True), ("0", False)]),
    "word": st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True).map(lambda w: (f'"{w}"', w)),
    "block": st.binary(max_size=60).map(lambda b: (block_head(len(b)) + b, b)),
}


def raw(text):
    return text if isinstance(text, bytes) else text.encode()


def number_in_range(parameter, value):
    return parameter.low is None or not isinstance(value, int | float) or parameter.low <= value <= parameter.high


@st.composite
def written_calls(draw):
    """A command and its arguments, and one way to write them."""
    command = draw(st.sampled_from(COMMANDS))
    header = draw(st.sampled_from(spellings(command.header)))
    header = "".join(draw(st.sampled_from([c.upper(), c.lower()])) for c in header)
    parameters = [p for p in command.parameters if not (p.optional and draw(st.booleans()))]
    parameters += [command.more] * draw(st.integers(0, 3)) if command.more else []
    chosen = [
        draw(of_kind[p.kind].filter(lambda pair, p=p: isinstance(pair[1], bool | bytes) or number_in_range(p, pair[1])))
        for p in parameters
    ]
    text = raw(header if header.startswith("*") else ":" + header)
    if chosen:
        text += b" " + b" , ".join(raw(word) for word, _ in chosen)
    return text, command, [value for _, value in chosen]


@given(st.lists(written_calls(), min_size=1, max_size=4))
def test_every_way_to_write_a_command_is_understood(written):
    message = b" ; ".join(text for text, _, _ in written)
    found = list(calls(message))
    assert [call.command for call in found] == [command for _, command, _ in written]
    for call, (_, _, values) in zip(found, written, strict=True):
        assert [bytes(a) if isinstance(a, memoryview) else a for a in call.arguments] == values


@given(st.lists(written_calls(), min_size=1, max_size=3), st.data())
def test_a_message_ends_where_it_does_however_it_arrives(written, data):
    message = b";".join(text for text, _, _ in written) + b"\n"
    stream = message + b"*IDN?\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    end, buffer = MessageEnd(1000), bytearray()
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        buffer += stream[start:stop]
        length, missing = end.find(buffer)
        if length:
            break
        assert 1 <= missing <= len(stream) - len(buffer)
    assert length == len(message)


@settings(max_examples=500)
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text("*:;,#\"' \n?IDNSYTERA019.e-", max_size=60).map(str.encode),
        st.lists(
            st.sampled_from([b":SYST", b":ERR", b"?", b" ", b"#", b"15hello", b'"', b"1e999", b",", b";", b"FRAM "])
        ).map(b"".join),
    )
)
def test_no_input_does_anything_but_calls_and_errors(message):
    for found in calls(message):
        assert isinstance(found, Call) or (isinstance(found, ScpiError) and found.code in NAMES)
    with suppress(ScpiError):
        length, missing = MessageEnd(1000).find(bytearray(message))
        assert (length > 0) != (missing > 0)
        assert length <= len(message)
    text_after_check(message)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"FOO?", -113),
        (b"SYST:ERR", -113),
        (b"?", -102),
        (b"*ESE", -109),
        (b"*ESE 1,2", -108),
        (b"*ESE 256", -222),
        (b"*ESE -1", -222),
        (b"*ESE x", -120),
        (b"*ESE 1.5", -120),
        (b"*ESE 1e1", -120),
        (b"*ESE 1s", -131),
        (b"*IDN? 1", -108),
        (b"ACQ:CONF? 1 m,DEF,1", -131),
        (b"ACQ:CONF? 1e999,DEF,1", -222),
        (b"ACQ:CONF? NAN,DEF,1", -120),
        (b"ACQ:CONF? 1,,1", -120),
        (b"ACQ:CONF? 'a',DEF,1", -120),
        (b"LEAS:TAKE? 'a b'", -224),
        (b"LEAS:TAKE? 'ab", -151),
        (b"FRAM 12", -104),
        (b"FRAM #0abc", -161),
        (b"FRAM #19abc", -161),
        (b"*ESE #11a", -104),
        (b"*IDN\xe9?", -101),
    ],
)
def test_mistakes_have_the_numbers_of_scpi(message, code):
    found = list(calls(message))
    assert [error.code for error in found] == [code]


@pytest.mark.parametrize(
    ("text", "value"), [("1 ms", 1e-3), ("250US", 250e-6), ("5ns", 5e-9), ("2S", 2.0), ("1.5", 1.5), (".5e-3s", 5e-4)]
)
def test_times_take_their_unit(text, value):
    (call,) = calls(f"ACQ:CONF? {text},DEF,1".encode())
    assert call.arguments == (pytest.approx(value, rel=1e-15), None, True)


def test_a_header_without_colon_follows_the_path_of_the_one_before():
    names = [call.command.name for call in calls(b"SYST:ERR:COUN?;NEXT?;*IDN?;FULL?;:SYST:VERS?;PROT?")]
    assert names == ["error_count", "error", "identity", "error_in_full", "version", "protocol"]


def test_an_error_ends_its_message():
    first, second = calls(b"*IDN?;FOO;*RST")
    assert (first.command.name, second.code) == ("identity", -113)


def test_limits_are_told_before_memory_is_taken():
    with pytest.raises(ScpiError, match="limit"):
        MessageEnd(1000).find(bytearray(b"FRAM #41001"))
    with pytest.raises(ScpiError, match="characters"):
        MessageEnd(1000).find(bytearray(b"A" * (LONGEST_TEXT + 1)))
    with pytest.raises(ScpiError, match="characters"):
        MessageEnd(1000).find(bytearray(b'"' + b"A" * (LONGEST_TEXT + 1)))
    assert MessageEnd(1000).find(bytearray(b"FRAM #41000" + b"a" * 500)) == (0, 501)


def test_what_a_check_covers_leaves_out_blocks():
    assert text_after_check(b"CHEC 1;FRAM #15he;lo;*IDN?") == b";FRAM #15;*IDN?"
    assert text_after_check(b"CHEC 1,7;FRAM #15he;lo;*IDN?") == b",7;FRAM #15;*IDN?"
    assert text_after_check(b"CHEC 1") == b""
