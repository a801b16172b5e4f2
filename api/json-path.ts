/**
 * JSONPath as printer columns and selectable fields use it: a path to one value, with list indexes and filters.
 *
 *   .status.conditions[?(@.type=="Ready")].status   .spec.ports[0].port   .metadata.annotations['a.b/c']   .metadata.labels.a\.b
 *
 * Source: client-go `util/jsonpath`. Recursive descent, unions and ranges are not known: who asks for them gets an error, as for a typing mistake.
 */
import type { JsonValue } from './json.ts';
import { isJsonObject } from './json.ts';
import { ownValue } from './own-value.ts';

/** The path cannot be read. */
export class JsonPathError extends Error {
  override name = 'JsonPathError';
}

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: readonly Step[]; operator: Operator; literal: string | number | boolean | undefined };

type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'exists';

/** A path that has been read. */
export interface JsonPath {
  /** The first value that the path leads to; undefined: none. */
  first(value: JsonValue): JsonValue | undefined;
}

/** Reads a path. @param text without braces: `.spec.replicas` @throws JsonPathError */
export function parseJsonPath(text: string): JsonPath {
  const reader = new Reader(text);
  const steps = reader.steps();
  if (!reader.isAtEnd) throw new JsonPathError(`unexpected ${JSON.stringify(reader.rest)} in ${JSON.stringify(text)}`);
  return { first: (value) => resultsOf(value, steps, 0).next().value };
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  get rest(): string {
    return this.#text.slice(this.#at);
  }

  steps(): Step[] {
    const steps: Step[] = [];
    for (;;) {
      if (this.#taken('[')) steps.push(this.#bracket());
      else if (this.#taken('.')) {
        if (this.#peek('[') || this.isAtEnd) continue;
        if (this.#peek('.')) throw new JsonPathError('recursive descent is not supported');
        steps.push(this.#taken('*') ? { kind: 'all' } : { kind: 'field', name: this.#name() });
      } else return steps;
    }
  }

  #peek(part: string): boolean {
    return this.#text.startsWith(part, this.#at);
  }

  #taken(part: string): boolean {
    if (!this.#peek(part)) return false;
    this.#at += part.length;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #name(): string {
    const found = this.#match(/(?:\\.|[^\\.[\]()\s=!<>{}|'"])+/y);
    if (found === undefined) throw new JsonPathError(`a name is missing before ${JSON.stringify(this.rest)}`);
    return found.replaceAll(/\\(.)/g, '$1');
  }

  #bracket(): Step {
    const step = this.#inBracket();
    if (!this.#taken(']')) throw new JsonPathError('unterminated array');
    return step;
  }

  #inBracket(): Step {
    if (this.#taken('*')) return { kind: 'all' };
    if (this.#taken('?(')) return this.#filter();
    const quoted = this.#quoted();
    if (quoted !== undefined) return { kind: 'field', name: quoted };
    const index = this.#match(/-?[0-9]{1,9}/y);
    if (index === undefined) throw new JsonPathError(`invalid array index ${JSON.stringify(this.rest)}`);
    return { kind: 'index', index: Number(index) };
  }

  #quoted(): string | undefined {
    const found = this.#match(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/y);
    return found?.slice(1, -1).replaceAll(/\\(.)/g, '$1');
  }

  #filter(): Step {
    this.#match(/\s*/y);
    if (!this.#taken('@')) throw new JsonPathError('a filter begins with @');
    const path = this.steps();
    const operator = (this.#match(/\s*(?:==|!=|<=|>=|<|>)\s*/y)?.trim() ?? 'exists') as Operator;
    const literal = operator === 'exists' ? undefined : this.#literal();
    this.#match(/\s*/y);
    if (!this.#taken(')')) throw new JsonPathError('unterminated filter');
    return { kind: 'filter', path, operator, literal };
  }

  #literal(): string | number | boolean {
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const word = this.#match(/true|false|-?[0-9]+(?:\.[0-9]+)?/y);
    if (word === undefined) throw new JsonPathError(`a value is missing before ${JSON.stringify(this.rest)}`);
    return word === 'true' || word === 'false' ? word === 'true' : Number(word);
  }
}

function* resultsOf(value: JsonValue, steps: readonly Step[], at: number): Generator<JsonValue> {
  const step = steps[at];
  if (step === undefined) {
    yield value;
    return;
  }
  for (const next of taken(value, step)) yield* resultsOf(next, steps, at + 1);
}

function* taken(value: JsonValue, step: Step): Generator<JsonValue> {
  switch (step.kind) {
    case 'field': {
      const found = isJsonObject(value) ? ownValue(value, step.name) : undefined;
      if (found !== undefined) yield found;
      return;
    }
    case 'index': {
      const found = Array.isArray(value) ? value.at(step.index) : undefined;
      if (found !== undefined) yield found;
      return;
    }
    case 'all':
      if (Array.isArray(value)) yield* value;
      else if (isJsonObject(value)) for (const member of Object.values(value)) if (member !== undefined) yield member;
      return;
    case 'filter':
      if (Array.isArray(value)) for (const item of value) if (holds(item, step)) yield item;
      return;
  }
}

function holds(item: JsonValue, { path, operator, literal }: Extract<Step, { kind: 'filter' }>): boolean {
  const found = resultsOf(item, path, 0).next().value as JsonValue | undefined;
  if (found === undefined || found === null) return false;
  if (operator === 'exists') return true;
  if (typeof found !== typeof literal) return false;
  const [left, right] = [found as string | number | boolean, literal as string | number | boolean];
  switch (operator) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
  }
}
