/**
 * YAML as sigs.k8s.io/yaml writes it: keys sorted, lists not indented, and quotes where YAML 1.1 would read no string (`yes`, times).
 *
 * The library `yaml` writes all of it correctly, but takes 10 µs for each value. So it writes only texts that may need quotes or lines of
 * their own; maps, lists and plain words, which are nearly everything, are written here.
 */
import { stringify } from 'yaml';
import { ownValue } from '#api/own-value.ts';

/** The value as YAML, with a line break at the end. */
export function toYaml(value: unknown): string {
  return [...yamlPieces(value)].join('');
}

/**
 * Like {@link toYaml}, in pieces of which each takes some milliseconds at most, so that a thread with an event loop can serve others in between.
 * @param indent of all lines but the first
 */
export function* yamlPieces(value: unknown, indent = ''): Generator<string> {
  if (!isFilled(value)) return yield byLibrary(value);
  const writer = new YamlWriter();
  yield* writer.block(value, indent);
  yield writer.text();
}

const byLibrary = (value: unknown): string =>
  stringify(value, { version: '1.1', sortMapEntries: true, indentSeq: false, lineWidth: 0, aliasDuplicateObjects: false });

const plainWord = /^[A-Za-z_/](?:[A-Za-z0-9_.:/-]*[A-Za-z0-9_./-])?$/;
/** Words that YAML 1.1 does not read as strings, in any case. */
const otherWord = /^(?:y|yes|n|no|true|false|on|off|null|e[0-9]+)$/i;
const ipv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
/** YAML writes longer keys in another form (`? key`): the library does that. */
const maxKeyLength = 128;
/** How many scalars' texts are remembered while one value is written: the same texts come again and again. */
const maxRemembered = 1000;

const isPlain = (text: string): boolean => (plainWord.test(text) && !otherWord.test(text)) || ipv4.test(text);

/** Whether the value is a map or list with content: such a value has lines of its own. */
function isFilled(value: unknown): value is Record<string, unknown> | unknown[] {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) ? value.length > 0 : Object.values(value).some((member) => member !== undefined);
}

/** What the library writes takes as long as so many plain words. */
const libraryCost = 25;
/** A piece costs at most about so many plain words. */
const pieceCost = 5_000;
/** The library needs up to half a second for a text of a megabyte, so longer ones than this are written here. */
const maxLibraryChars = 16 * 1024;
const charsPerCost = 16;

class YamlWriter {
  #parts: string[] = [];
  #cost = 0;
  readonly #remembered = new Map<unknown, string>();

  /** What has been written since the last piece. */
  text(): string {
    const text = this.#parts.join('');
    this.#parts = [];
    this.#cost = 0;
    return text;
  }

  /** Writes a map or list. @param indent of all lines but the first, whose beginning is written already */
  *block(value: Record<string, unknown> | unknown[], indent: string): Generator<string> {
    if (Array.isArray(value)) yield* this.#list(value, indent);
    else yield* this.#map(value, indent);
  }

  *#list(list: readonly unknown[], indent: string): Generator<string> {
    let begin = '';
    for (const item of list) {
      this.#parts.push(begin, '-');
      if (isFilled(item)) {
        this.#parts.push(' ');
        yield* this.block(item, `${indent}  `);
      } else yield* this.#scalar(item, indent);
      begin = indent;
    }
  }

  *#map(map: Record<string, unknown>, indent: string): Generator<string> {
    let begin = '';
    for (const key of Object.keys(map).sort(byCodeUnits)) {
      const value = ownValue(map, key);
      if (value === undefined) continue;
      this.#parts.push(begin);
      begin = indent;
      const written = this.#key(key);
      if (written === undefined) {
        this.#cost += libraryCost;
        this.#parts.push(indented(byLibrary({ [key]: value }), indent));
        continue;
      }
      this.#parts.push(written);
      if (!isFilled(value)) yield* this.#scalar(value, indent);
      else {
        const inner = Array.isArray(value) ? indent : `${indent}  `;
        this.#parts.push('\n', inner);
        yield* this.block(value, inner);
      }
    }
  }

  /** A key with its colon; undefined when it needs lines of its own. */
  #key(key: string): string | undefined {
    if (key.length <= maxKeyLength && isPlain(key)) return `${key}:`;
    const text = byLibrary({ [key]: null });
    this.#cost += libraryCost;
    return text.startsWith('?') || !text.endsWith(noValue) ? undefined : text.slice(0, -noValue.length);
  }

  /** Writes what follows the colon of a key, up to the line break. */
  *#scalar(value: unknown, indent: string): Generator<string> {
    if (typeof value === 'string' && value.length > maxLibraryChars) yield* this.#longText(value, indent);
    else this.#parts.push(this.#shortScalar(value, indent));
    if (++this.#cost >= pieceCost) yield this.text();
  }

  #shortScalar(value: unknown, indent: string): string {
    if (typeof value === 'string' && isPlain(value)) return ` ${value}\n`;
    if (value === true || value === false || value === null || Number.isSafeInteger(value))
      return ` ${Object.is(value, -0) ? '-0' : value}\n`;
    if (typeof value === 'object') return Array.isArray(value) ? ' []\n' : ' {}\n';
    let text = this.#remembered.get(value);
    if (text === undefined) {
      text = byLibrary({ k: value ?? null }).slice('k:'.length);
      this.#cost += libraryCost;
      if (this.#remembered.size < maxRemembered && text.length < maxRemembered) this.#remembered.set(value, text);
    }
    return indented(text, indent);
  }

  /** A text in its lines where YAML can show it so, otherwise in double quotes, with the escapes of JSON, which YAML has as well. */
  *#longText(text: string, indent: string): Generator<string> {
    const hasLastBreak = text.endsWith('\n');
    const lines = hasLastBreak ? text.slice(0, -1) : text;
    const inLines = lines.includes('\n') && !isBlank(lines.at(0)) && !isBlank(lines.at(-1)) && !outOfLines.test(lines);
    this.#parts.push(inLines ? ` ${hasLastBreak ? '|' : '|-'}\n${indent}  ` : ' "');
    const end = inLines ? lines.length : text.length;
    for (let at = 0; at < end; ) {
      let next = Math.min(at + maxLibraryChars, end);
      // Neither a pair of surrogates nor a line break and what follows it is cut.
      while (next < end && (/[\uD800-\uDBFF]/.test(text.charAt(next - 1)) || text[next - 1] === '\n')) next++;
      const part = text.slice(at, next);
      this.#parts.push(
        inLines ? indented(part, `${indent}  `) : JSON.stringify(part).slice(1, -1).replaceAll(outOfQuotes, escapeOf),
      );
      this.#cost += part.length / charsPerCost;
      if (this.#cost >= pieceCost) yield this.text();
      at = next;
    }
    this.#parts.push(inLines ? '\n' : '"\n');
  }
}

const noValue = ' null\n';
const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t' || char === '\n';
/** Characters that YAML shows in double quotes alone, and those that end lines for YAML 1.1 besides line feeds. */
const outOfLines = /[^\P{Cc}\n\t]|[\u2028\u2029\uFEFF\uFFFE\uFFFF\p{Cs}]/u;
/** What JSON shows and YAML 1.1 does not. */
const outOfQuotes = /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g;
const escapeOf = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The text with all lines indented but the first and empty ones. */
const indented = (text: string, indent: string): string =>
  indent === '' ? text : text.replaceAll(/\n(?=[^\n])/g, `\n${indent}`);
