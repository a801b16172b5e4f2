/**
 * Converts a YAML document to JSON text, in one pass over the parser's events. It takes linear time. The nodes that aliases and
 * merge keys add are limited as in go-yaml, before they are made.
 *
 * Source: go.yaml.in/yaml/v2 `decode.go`.
 */
import { EVENT_ID, type Event, getScalarValue, parseEvents, SCALAR_STYLE } from 'js-yaml';
import { DecodeError } from './json.ts';
import { maxYamlDepth, yamlError } from './yaml-errors.ts';
import { type ScalarValue, scalarJson, scalarValue, tagPrefix } from './yaml-scalars.ts';

/**
 * Limit of JSON text that aliases may add, in UTF-16 units. A long scalar counts as one node, so a limit of nodes is not enough.
 */
const maxAliasedLength = 5_000_000;
/** Limit of reported duplicate keys. Go's JSON decoder has the same limit. */
const maxDuplicates = 100;

/** Up to `low` nodes, 99 % of them may come from aliases. The allowed share falls to 10 % at `high` nodes. */
const aliasRatio = { low: 400_000, high: 4_000_000 };

/** A node that has been read completely. */
interface Value {
  json: string;
  /** The number of nodes to decode for it, with aliases followed. */
  nodes: number;
  kind: 'scalar' | 'sequence' | 'mapping';
  /** The value of a scalar, for use as a key. */
  scalar?: ScalarValue;
  /** The members of a mapping, for use by a merge key. */
  members?: ReadonlyMap<string, string>;
  /** The items of a list, for use by a merge key. */
  items?: readonly Value[];
}

/**
 * Converts the first document of the text to JSON, with keys sorted as Go's encoder does. When a key is given twice, the last one
 * counts.
 *
 * @returns `duplicates`: texts such as `line 2: key "a" already set in map`, at most 100
 * @throws DecodeError with go-yaml's text
 */
export function firstDocumentAsJson(text: string): { json: string; duplicates: string[] } {
  const source = firstDocument(text);
  try {
    return new Converter(source, parseEvents(source, { maxDepth: maxYamlDepth })).convert();
  } catch (error) {
    throw yamlError(error, source);
  }
}

/** The text up to the end of its first document. Upstream does not read further documents. */
function firstDocument(text: string): string {
  const marker = /(?<![^\n\r])(?:---|\.\.\.)(?=[ \t\r\n]|$)/g;
  const first = marker.exec(text);
  if (first === null) return text;
  const isStart = first[0] === '---' && hasNoContent(text.slice(0, first.index));
  const end = isStart ? marker.exec(text) : first;
  return end === null ? text : text.slice(0, end.index);
}

/** Whether the text has only comments, directives and empty lines. */
function hasNoContent(text: string): boolean {
  for (const [line] of text.matchAll(/[^\n\r]+/g)) {
    if (line.startsWith('%')) continue;
    const first = /[^ \t\ufeff]/.exec(line)?.[0];
    if (first !== undefined && first !== '#') return false;
  }
  return true;
}

class Converter {
  readonly #text: string;
  readonly #events: readonly Event[];
  #next = 0;
  readonly #duplicates: string[] = [];
  /**
   * The anchors by name; undefined while the anchored node is not complete. A later anchor of the same name replaces the earlier
   * one.
   */
  readonly #anchors = new Map<string, Value | undefined>();
  #aliasedLength = 0;
  #nodes = 0;
  #aliasedNodes = 0;
  #lineOf = { position: 0, line: 1 };

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  convert(): { json: string; duplicates: string[] } {
    const [document] = this.#events;
    if (document === undefined) return { json: 'null', duplicates: [] };
    this.#next = 1;
    const { json } = this.#value(false);
    return { json, duplicates: this.#duplicates };
  }

  /** @param keepItems whether to keep the items of a list, for a merge key */
  #value(keepItems: boolean): Value {
    const event = this.#events[this.#next++] as Event;
    if (event.type === EVENT_ID.ALIAS) return this.#aliased(this.#text.slice(event.anchorStart, event.anchorEnd));
    if (event.type === EVENT_ID.POP || event.type === EVENT_ID.DOCUMENT) throw new Error('YAML events out of order');
    const anchor = event.anchorStart < 0 ? undefined : this.#text.slice(event.anchorStart, event.anchorEnd);
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    this.#nodes += 1;
    const before = this.#nodes;
    const value =
      event.type === EVENT_ID.SCALAR
        ? this.#scalar(event)
        : event.type === EVENT_ID.SEQUENCE
          ? this.#sequence(keepItems)
          : this.#mapping();
    value.nodes = this.#nodes - before + 1;
    if (anchor !== undefined) this.#anchors.set(anchor, value);
    return value;
  }

  #scalar(event: Extract<Event, { type: typeof EVENT_ID.SCALAR }>): Value {
    const tag = event.tagStart < 0 ? undefined : fullTag(this.#text.slice(event.tagStart, event.tagEnd));
    const scalar = scalarValue(getScalarValue(this.#text, event), tag, event.style === SCALAR_STYLE.PLAIN);
    return { kind: 'scalar', json: scalarJson(scalar), nodes: 1, scalar };
  }

  #ended(): boolean {
    if (this.#events[this.#next]?.type !== EVENT_ID.POP) return false;
    this.#next++;
    return true;
  }

  #sequence(keepItems: boolean): Value {
    const items: Value[] = [];
    const parts: string[] = [];
    while (!this.#ended()) {
      const item = this.#value(false);
      parts.push(item.json);
      if (keepItems) items.push(item);
    }
    return { kind: 'sequence', json: `[${parts.join(',')}]`, nodes: 1, ...(keepItems ? { items } : {}) };
  }

  #mapping(): Value {
    const members = new Map<string, string>();
    /** Keys that come only from a merge key. Setting such a key explicitly is no duplicate. */
    const merged = new Set<string>();
    while (!this.#ended()) {
      const keyEvent = this.#events[this.#next] as Event;
      if (isMergeKey(keyEvent, this.#text)) {
        this.#next++;
        this.#merge(this.#value(true), members, merged);
        continue;
      }
      const name = keyText(this.#value(false));
      const valueStart = startOf(this.#events[this.#next] as Event) ?? startOf(keyEvent) ?? 0;
      const { json } = this.#value(false);
      if (members.has(name) && !merged.delete(name)) this.#duplicate(name, valueStart);
      members.set(name, json);
    }
    const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const json = `{${sorted.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`;
    return { kind: 'mapping', json, nodes: 1, members };
  }

  #aliased(name: string): Value {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      if (!this.#anchors.has(name)) throw new DecodeError(`yaml: unknown anchor '${name}' referenced`);
      throw new DecodeError(`yaml: anchor '${name}' value contains itself`);
    }
    this.#nodes += target.nodes + 1;
    this.#aliasedNodes += target.nodes;
    this.#aliasedLength += target.json.length;
    const excessive =
      (this.#aliasedNodes > 100 && this.#nodes > 1000 && this.#aliasedNodes / this.#nodes > allowedAliasRatio(this.#nodes)) ||
      this.#aliasedLength > maxAliasedLength;
    if (excessive) throw new DecodeError('yaml: document contains excessive aliasing');
    return target;
  }

  /** Merges `<<: *base`, or a list of maps, of which the first has priority. */
  #merge(value: Value, members: Map<string, string>, merged: Set<string>): void {
    const maps = value.items === undefined ? [value] : value.items.toReversed();
    for (const map of maps) {
      if (map.members === undefined) throw new DecodeError('yaml: map merge requires map or sequence of maps as the value');
      for (const [key, json] of map.members) {
        if (!members.has(key)) merged.add(key);
        members.set(key, json);
      }
    }
  }

  #duplicate(name: string, position: number): void {
    if (this.#duplicates.length >= maxDuplicates) return;
    this.#duplicates.push(`line ${this.#line(position)}: key ${JSON.stringify(name)} already set in map`);
  }

  /** The line of a position. Positions mostly increase, so counting continues from the last one. */
  #line(position: number): number {
    if (position < this.#lineOf.position) this.#lineOf = { position: 0, line: 1 };
    let { position: at, line } = this.#lineOf;
    for (let next = this.#text.indexOf('\n', at); next >= 0 && next < position; next = this.#text.indexOf('\n', at)) {
      line += 1;
      at = next + 1;
    }
    this.#lineOf = { position: at, line };
    return line;
  }
}

function allowedAliasRatio(nodes: number): number {
  const { low, high } = aliasRatio;
  if (nodes <= low) return 0.99;
  return nodes >= high ? 0.1 : 0.99 - 0.89 * ((nodes - low) / (high - low));
}

function isMergeKey(event: Event, text: string): boolean {
  return (
    event.type === EVENT_ID.SCALAR &&
    event.style === SCALAR_STYLE.PLAIN &&
    event.valueEnd - event.valueStart === 2 &&
    text.startsWith('<<', event.valueStart)
  );
}

function keyText({ kind, scalar }: Value): string {
  if (kind !== 'scalar' || scalar === null)
    throw new DecodeError('yaml: unsupported map key: only strings, numbers and booleans can be keys');
  return String(scalar);
}

/** Where the event's text begins; undefined for an empty node. */
function startOf(event: Event): number | undefined {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart < 0 ? undefined : event.valueStart;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart;
  return event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE ? event.start : undefined;
}

/** The full form of a tag: `!!str` and `!<tag:yaml.org,2002:str>` are the same. A lone `!` means that the scalar is a string. */
function fullTag(raw: string): string {
  if (raw === '!') return `${tagPrefix}str`;
  if (raw.startsWith('!<')) return raw.slice(2, -1);
  return raw.startsWith('!!') ? `${tagPrefix}${raw.slice(2)}` : raw;
}
