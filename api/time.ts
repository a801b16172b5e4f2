/**
 * The two times of the API: metav1.Time (whole seconds) and metav1.MicroTime. They are parsed as Go's time.Parse does, with its
 * error texts, and written in UTC.
 *
 * Source: Go's package time (`format.go`), apimachinery `pkg/apis/meta/v1/{time,micro_time}.go`.
 */

/** The text is not a time. The message is Go's. */
export class TimeError extends Error {
  override name = 'TimeError';
}

const seconds = '2006-01-02T15:04:05Z07:00';
const micros = '2006-01-02T15:04:05.000000Z07:00';

/** The usual form of a time: in UTC, without a fraction. Such a text is returned unchanged. */
const usual = /^[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;

/** Normalizes an RFC 3339 time as metav1.Time does: in UTC, without a fraction. @throws TimeError */
export function canonicalTime(text: string): string {
  if (usual.test(text)) return text;
  return `${utcSeconds(new GoTimeParser(text, seconds).parse().epochSeconds, text)}Z`;
}

/** Normalizes an RFC 3339 time with six decimals as metav1.MicroTime does. @throws TimeError */
export function canonicalMicroTime(text: string): string {
  const { epochSeconds, fraction } = new GoTimeParser(text, micros).parse();
  return `${utcSeconds(epochSeconds, text)}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
}

function utcSeconds(epochSeconds: number, text: string): string {
  const iso = new Date(epochSeconds * 1000).toISOString();
  if (iso.length !== '2006-01-02T15:04:05.000Z'.length)
    throw new TimeError(`parsing time ${JSON.stringify(text)}: year out of range`);
  return iso.slice(0, 19);
}

/** Walks through layout and text together, so that an error names the part of the layout that does not match. */
class GoTimeParser {
  readonly #text: string;
  readonly #layout: string;
  #rest: string;

  constructor(text: string, layout: string) {
    this.#text = text;
    this.#layout = layout;
    this.#rest = text;
  }

  parse(): { epochSeconds: number; fraction: string } {
    const year = Number(this.#take(/^[0-9]{4}/, '2006'));
    this.#literal('-');
    const month = this.#ranged(/^[0-9]{2}/, '01', 'month', 1, 12);
    this.#literal('-');
    const day = Number(this.#take(/^[0-9]{2}/, '02'));
    this.#literal('T');
    const hour = this.#ranged(/^[0-9]{1,2}/, '15', 'hour', 0, 23);
    this.#literal(':');
    const minute = this.#ranged(/^[0-9]{2}/, '04', 'minute', 0, 59);
    this.#literal(':');
    const second = this.#ranged(/^[0-9]{2}/, '05', 'second', 0, 59);
    const fraction = this.#fraction();
    const offset = this.#offset();
    if (this.#rest !== '') throw this.#error(`: extra text: ${JSON.stringify(this.#rest)}`);
    const date = new Date(0);
    date.setUTCFullYear(year, month - 1, day);
    if (day < 1 || date.getUTCDate() !== day) throw this.#error(': day out of range');
    return { epochSeconds: date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset, fraction };
  }

  #error(detail: string): TimeError {
    return new TimeError(`parsing time ${JSON.stringify(this.#text)}${detail}`);
  }

  #mismatch(element: string): TimeError {
    return this.#error(
      ` as ${JSON.stringify(this.#layout)}: cannot parse ${JSON.stringify(this.#rest)} as ${JSON.stringify(element)}`,
    );
  }

  #take(pattern: RegExp, element: string): string {
    const found = pattern.exec(this.#rest)?.[0];
    if (found === undefined) throw this.#mismatch(element);
    this.#rest = this.#rest.slice(found.length);
    return found;
  }

  #literal(text: string): void {
    if (!this.#rest.startsWith(text)) throw this.#mismatch(text);
    this.#rest = this.#rest.slice(text.length);
  }

  #ranged(pattern: RegExp, element: string, name: string, low: number, high: number): number {
    const value = Number(this.#take(pattern, element));
    if (value < low || value > high) throw this.#error(`: ${name} out of range`);
    return value;
  }

  /** Parses decimals of a second. A layout without a fraction accepts any number of digits; one with six requires six. */
  #fraction(): string {
    if (this.#layout === micros) return this.#take(/^\.[0-9]{6}/, '.000000').slice(1);
    return /^[.,][0-9]/.test(this.#rest) ? this.#take(/^[.,][0-9]+/, '').slice(1) : '';
  }

  /** The offset from UTC, in seconds east. */
  #offset(): number {
    if (this.#rest.startsWith('Z')) {
      this.#literal('Z');
      return 0;
    }
    const [sign, hours, minutes] = [0, 1, 4].map((at) => this.#rest.slice(at, at === 0 ? 1 : at + 2)) as [string, string, string];
    if (!/^[+-][0-9]{2}:[0-9]{2}/.test(this.#rest)) throw this.#mismatch('Z07:00');
    if (Number(hours) > 24) throw this.#error(': time zone offset hour out of range');
    if (Number(minutes) > 60) throw this.#error(': time zone offset minute out of range');
    this.#rest = this.#rest.slice(6);
    return (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60);
  }
}
