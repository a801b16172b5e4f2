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
  if (!isFilled(value)) return byLibrary(value);
  const writer = new YamlWriter();
  writer.block(value, '');
  return writer.text();
}

const byLibrary = (value: unknown): string =>
  stringify(value, { version: '1.1', sortMapEntries: true, indentSeq: false, lineWidth: 0, aliasDuplicateObjects: false });

const plainWord = /^[A-Za-z_/](?:[A-Za-z0-9_.:/-]*[A-Za-z0-9_./-])?$/;
/** Words that YAML 1.1 does not read as strings, in any case. */
const otherWord = /^(?:y|yes|n|no|true|false|on|off|null)$/i;
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

class YamlWriter {
  readonly #parts: string[] = [];
  readonly #remembered = new Map<unknown, string>();

  text(): string {
    return this.#parts.join('');
  }

  /** Writes a map or list. @param indent of all lines but the first, whose beginning is written already */
  block(value: Record<string, unknown> | unknown[], indent: string): void {
    if (Array.isArray(value)) this.#list(value, indent);
    else this.#map(value, indent);
  }

  #list(list: readonly unknown[], indent: string): void {
    let begin = '';
    for (const item of list) {
      this.#parts.push(begin, '- ');
      if (isFilled(item)) this.block(item, `${indent}  `);
      else this.#parts.push(this.#scalar(item, indent).slice(1));
      begin = indent;
    }
  }

  #map(map: Record<string, unknown>, indent: string): void {
    let begin = '';
    for (const key of Object.keys(map).sort(byCodeUnits)) {
      const value = ownValue(map, key);
      if (value === undefined) continue;
      this.#parts.push(begin);
      begin = indent;
      if (key.length > maxKeyLength || !isPlain(key)) {
        this.#parts.push(indented(byLibrary({ [key]: value }), indent));
        continue;
      }
      this.#parts.push(key, ':');
      if (!isFilled(value)) this.#parts.push(this.#scalar(value, indent));
      else {
        const inner = Array.isArray(value) ? indent : `${indent}  `;
        this.#parts.push('\n', inner);
        this.block(value, inner);
      }
    }
  }

  /** Writes what follows the colon of a key, up to the line break. */
  #scalar(value: unknown, indent: string): string {
    if (typeof value === 'string' && isPlain(value)) return ` ${value}\n`;
    if (value === true || value === false || value === null || Number.isSafeInteger(value))
      return ` ${Object.is(value, -0) ? '-0' : value}\n`;
    if (typeof value === 'object') return Array.isArray(value) ? ' []\n' : ' {}\n';
    let text = this.#remembered.get(value);
    if (text === undefined) {
      text = byLibrary({ k: value ?? null }).slice('k:'.length);
      if (this.#remembered.size < maxRemembered && text.length < maxRemembered) this.#remembered.set(value, text);
    }
    return indented(text, indent);
  }
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The text with all lines indented but the first and empty ones. */
const indented = (text: string, indent: string): string =>
  indent === '' ? text : text.replaceAll(/\n(?=[^\n])/g, `\n${indent}`);
