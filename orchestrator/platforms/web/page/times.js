// Times in the reader's language and time zone. Those of a show without a real clock (`--seed`,
// `--lines`) begin in the year 2000 and are counted from there.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const weekday = new Intl.DateTimeFormat(undefined, {
  weekday: "long", day: "numeric", month: "long",
});
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const DAY_MS = 86_400_000;
const COUNTED_FROM = Date.UTC(2000, 0, 1);
/** BotConvo is younger, so no real line is. */
const COUNTED_UNTIL = Date.UTC(2020, 0, 1);

/** "+0:14:05" of a show without a real clock; null for a real time. */
function counted(at) {
  const time = Date.parse(at);
  if (time >= COUNTED_UNTIL) return null;
  const seconds = Math.round((time - COUNTED_FROM) / 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `+${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

export const timeOfDay = (at) => counted(at) ?? clock.format(new Date(at));
export const dayAndTime = (at) => counted(at) ?? whole.format(new Date(at));
export const shortDate = (at) => short.format(new Date(at));

/** Tells days apart; the reader's days. */
export const dayKey = (at) => (counted(at) ? "counted" : new Date(at).toDateString());

/** "today", "yesterday", "Monday, 3 March", or with the year if it is another one. */
export function dayName(at, now = new Date()) {
  if (counted(at)) return "times since it began";
  const then = new Date(at);
  const midnight = (day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
  const days = Math.round((midnight(then) - midnight(now)) / DAY_MS);
  if (days === 0 || days === -1) return relative.format(days, "day");
  return (then.getFullYear() === now.getFullYear() ? weekday : date).format(then);
}
