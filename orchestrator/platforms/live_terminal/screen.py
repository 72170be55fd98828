"""The lower end of the terminal: an input line with what can be completed, and below it a line that
tells how things are. What is shown comes out above and belongs to the terminal from then on: it
scrolls, is copied and searched as all other output. Knows no friends and no commands.

The line of the state stands below the input and has no background: when the window gets narrower a
terminal wraps what it shows, and only what is below the input's first row can be drawn anew.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VerticalAlign,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from orchestrator.errors import OrchestratorError
from orchestrator.platforms.live_terminal.completion import completes_by_itself
from orchestrator.platforms.live_terminal.ink import dimmed, has_colors, in_color, printable
from orchestrator.platforms.live_terminal.streams import lines_above
from orchestrator.platforms.live_terminal.wrapping import wrapped

MOST_INPUT_ROWS = 5
MOST_COMPLETIONS = 6
"""That are seen at once."""
LONGEST_INDENT = 12
"""Of a line's second row; below a longer name there would be little room for text."""
STYLE = Style.from_dict({"state": "dim", "prompt": "bold", "draft": "dim"})


class Screen:
    """Shows lines, and collects what is typed in `typed`; None is put there once the terminal is
    gone.

    `state` is asked for the line below the input; `interrupted` is called on Ctrl-C and `ended` on
    Ctrl-D, both on the event loop. `draft` is text that is not final: it stands above the input
    and is gone when it is set to "".
    """

    def __init__(
        self,
        completer: Completer,
        *,
        state: Callable[[], str],
        interrupted: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self.typed: asyncio.Queue[str | None] = asyncio.Queue()
        self.draft = ""
        self.has_colors = has_colors(sys.stdout)
        self._state = state
        self._interrupted = interrupted
        self._ended = ended
        self._input = Buffer(
            completer=completer, history=InMemoryHistory(), multiline=False,
            complete_while_typing=Condition(lambda: completes_by_itself(self._input.text)),
            accept_handler=self._accept,
        )  # fmt: skip
        self._app: _InlineApplication | None = None
        self._running: asyncio.Task[None] | None = None
        self._streams = ExitStack()

    async def open(self) -> None:
        """Draws the input line, which is there until `close`."""
        loop = asyncio.get_running_loop()
        self._app = _InlineApplication(
            self._layout(), key_bindings=self._keys(), style=STYLE, erase_when_done=True,
            output=_output(), enable_page_navigation_bindings=False,
        )  # fmt: skip
        is_drawn = asyncio.Event()
        self._running = asyncio.create_task(self._run(self._app, is_drawn.set))
        await is_drawn.wait()

        def show(line: str) -> None:
            loop.call_soon_threadsafe(self._show_what_is_logged, printable(line))

        self._streams.enter_context(lines_above(show))

    async def _run(self, app: _InlineApplication, is_drawn: Callable[[], None]) -> None:
        try:
            # Signals are the program's own affair.
            await app.run_async(pre_run=is_drawn, handle_sigint=False, set_exception_handler=False)
        except (EOFError, OSError):  # nobody is at the other end of the terminal
            self.typed.put_nowait(None)
        finally:
            is_drawn()

    async def close(self) -> None:
        """Takes the input line away and leaves the terminal as it was."""
        self._streams.close()
        await asyncio.sleep(0)  # a last line of the streams is shown by a callback
        ending = self._app.future if self._app is not None else None
        if self._app is not None and ending is not None and not ending.done():
            self._app.exit()
        if self._running is not None:
            await self._running

    # --- what is shown ------------------------------------------------------------------------

    def say(self, name: str, color: str | None, text: str) -> None:
        """Shows what somebody says above the input. Raises OrchestratorError if the terminal takes
        no more."""
        name, text = printable(name), printable(text)
        indent = min(len(name) + 2, LONGEST_INDENT)
        first, *others = wrapped(f"{name}: {text}", self._columns, indent)
        if self.has_colors and first.startswith(name):  # else it is wider than the terminal
            first = in_color(name, color) + first[len(name) :]
        self._put([first, *others])

    def show_aside(self, text: str) -> None:
        """Shows what is not part of the talk; it may have several lines."""
        for line in text.split("\n"):
            rows = wrapped(line, self._columns, _hanging(line))
            self._put(dimmed(row) if self.has_colors else row for row in rows)

    def _show_what_is_logged(self, line: str) -> None:
        with suppress(OrchestratorError):  # else that would be logged, too, for ever
            self.show_aside(line)

    def refresh(self) -> None:
        """Something that is drawn has changed."""
        if self._app is not None:
            self._app.invalidate()

    @property
    def _columns(self) -> int:
        # Some terminals begin a new row as soon as the last column is full.
        return (self._app.output.get_size().columns if self._app else 80) - 1

    def _put(self, rows: Iterable[str]) -> None:
        try:
            if self._app is None or not self._app.is_running:
                sys.stdout.write("".join(f"{row}\n" for row in rows))
                sys.stdout.flush()
                return
            self._app.put_above(rows)
        except OSError as error:
            raise OrchestratorError(f"Nothing more can be printed ({error.strerror}).") from error

    # --- what is typed ------------------------------------------------------------------------

    def _accept(self, buffer: Buffer) -> bool:
        if text := buffer.text.strip():
            self.typed.put_nowait(text)
        return False

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-c")
        def _(event: KeyPressEvent) -> None:
            self._interrupted()

        @keys.add("c-d", filter=Condition(lambda: not self._input.text))
        def _(event: KeyPressEvent) -> None:
            self._ended()

        @keys.add("tab")
        def _(event: KeyPressEvent) -> None:
            _complete(event.current_buffer)

        @keys.add(Keys.BracketedPaste)
        def _(event: KeyPressEvent) -> None:
            # Several lines become one message, which is seen whole before Enter sends it.
            event.current_buffer.insert_text(" ".join(event.data.split()))

        if hasattr(signal, "SIGTSTP"):

            @keys.add("c-z")
            def _(event: KeyPressEvent) -> None:
                event.app.suspend_to_background()

        return keys

    def _layout(self) -> Layout:
        draft = Window(
            FormattedTextControl(lambda: [("class:draft", self.draft)]),
            wrap_lines=True, dont_extend_height=True,
        )  # fmt: skip
        typed = Window(
            BufferControl(self._input, [BeforeInput("> ", "class:prompt")]), wrap_lines=True,
            height=Dimension(min=1, max=MOST_INPUT_ROWS), dont_extend_height=True,
        )  # fmt: skip
        state = Window(FormattedTextControl(self._state_text), height=1)
        menu = CompletionsMenu(MOST_COMPLETIONS)
        is_drafted = Condition(lambda: bool(self.draft))
        rows = [ConditionalContainer(draft, is_drafted), typed, menu, state]
        return Layout(HSplit(rows, align=VerticalAlign.TOP), focused_element=typed)

    def _state_text(self) -> StyleAndTextTuples:
        return [("class:state", self._state())]


class _InlineApplication(Application[None]):
    """Below what was shown, and still there when the window gets narrower: terminals wrap rows that
    have no room any more, so that the first row is further up than it was drawn.

    (prompt_toolkit itself does not look. In xterm, which cuts rows off instead, as many rows of the
    talk are drawn over.)
    """

    def put_above(self, rows: Iterable[str]) -> None:
        """Writes rows where the first one of the application was, which is drawn anew below them.

        Not by prompt_toolkit's `run_in_terminal`: that gives the keyboard back to the terminal
        meanwhile, which then shows what is typed a second time. Row by row, since terminals keep
        what a single sequence clears from the first row of the screen on, as if it had been said.
        """
        output = self.output
        if (screen := self.renderer.last_rendered_screen) is not None:
            cursor = screen.get_cursor_position(self.layout.current_window)
            output.cursor_backward(cursor.x)
            output.cursor_up(cursor.y)
        for row in rows:
            output.write_raw(row)
            output.erase_end_of_line()
            output.write_raw("\r\n")
        output.erase_down()
        output.enable_autowrap()
        output.flush()
        self.renderer.reset(leave_alternate_screen=False)
        self.invalidate()

    def _redraw(self, render_as_done: bool = False) -> None:
        with suppress(OSError):  # the terminal is gone, as the end of the input tells
            super()._redraw(render_as_done)

    def _on_resize(self) -> None:
        screen = self.renderer.last_rendered_screen
        if screen is not None:
            columns = self.output.get_size().columns
            cursor = screen.get_cursor_position(self.layout.current_window)
            above = (screen.data_buffer[row] for row in range(cursor.y))
            widths = (max((x for x in row if row[x].char.strip()), default=0) for row in above)
            self.output.cursor_up(sum(width // columns for width in widths) + cursor.x // columns)
        super()._on_resize()


def _output() -> Output:
    output = create_output()
    if isinstance(output, Vt100_Output):
        # Nothing here is placed by where the cursor is on the screen; asking a terminal that does
        # not answer ends in a warning, and one that answers late does so as if it were typed.
        output.enable_cpr = False
    return output


def _complete(buffer: Buffer) -> None:
    """Puts in what is proposed, or the next of it. At once: prompt_toolkit's own way takes two
    strokes where nothing was proposed yet."""
    if buffer.complete_state is not None:
        buffer.complete_next()
        return
    event = CompleteEvent(completion_requested=True)
    if found := list(buffer.completer.get_completions(buffer.document, event)):
        buffer.complete_state = CompletionState(buffer.document, found)
        buffer.go_to_completion(0)


def interrupt() -> None:
    """What Ctrl-C does to a program that leaves the keyboard to the terminal."""
    signal.raise_signal(signal.SIGINT)


def _hanging(line: str) -> int:
    """How far the second row of a line is indented: below the text of a list's item."""
    words = line.split(None, 1)
    if len(words) == 2 and line.startswith("/"):
        return line.index(words[1], len(words[0]))
    return len(line) - len(line.lstrip()) + 2 if line.startswith(" ") else 0
