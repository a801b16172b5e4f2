/**
 * Evaluates the rules of a schema on a value: all nodes share one budget, and a rule about a change is evaluated where there is an old value
 * to compare with.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/cel/validation.go`.
 */
import { type Program, perCallLimit } from '../cel/environment.ts';
import { fromJson } from '../cel/json-values.ts';
import { CelCostError, Optional, type Value } from '../cel/values.ts';
import { declaredType } from '../cel-schema/declared-type.ts';
import { duplicate, type FieldError, forbiddenField, invalidField, invalidValue, required } from '../field-error.ts';
import type { JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import type { Steps } from '../steps.ts';
import type { ValidationRule } from '../types.generated.ts';
import { type Correlation, MapList } from './correlation.ts';
import { type CompiledRule, rulesOf, ruleText } from './rules.ts';
import { childPath, keyPath, type StructuralSchema } from './structural-schema.ts';
import { noPath } from './value-errors.ts';

/** Cost budget of all rules of one object (upstream's RuntimeCELCostBudget). */
export const objectBudget = 10_000_000;

/** After so much another request gets its turn: some milliseconds. */
const costPerStep = 100_000;

const maxMessageBytes = 5 * 1024;

/** How CEL rules are evaluated on a value; all is optional. */
export interface RuleOptions {
  /** Path of the value, for errors. */
  path?: string;
  /** The value is a resource, of which rules see name and kind. */
  isResource?: boolean;
  /** With the old value, on update: failures of what has not changed are warnings. */
  correlation?: Correlation | undefined;
  budget?: number;
  /** Gets what would be an error, had the value changed. */
  warn?: ((text: string) => void) | undefined;
}

/** @param old undefined or null: there is none */
export function* validateRules(
  value: JsonValue,
  old: JsonValue | undefined,
  schema: StructuralSchema,
  { path = '', isResource = false, correlation, budget = objectBudget, warn }: RuleOptions = {},
): Steps<{ errors: FieldError[]; remaining: number }> {
  const tasks: Task[] = [];
  collectTasks({ value, old: old ?? null, schema, path, isResource, ratchet: new Ratchet(correlation, undefined) }, tasks);
  const evaluation = new Evaluation(budget);
  let costBefore = budget;
  for (const task of tasks) {
    for (const _rule of evaluation.evaluate(task)) {
      if (costBefore - evaluation.remaining < costPerStep) continue;
      costBefore = evaluation.remaining;
      yield;
    }
    if (evaluation.remaining < 0) break;
  }
  // Errors are made at the end and at once, because whoever counts them may count those of one validation at a time.
  if (warn !== undefined) for (const finding of evaluation.warnings) warn(textOf(toFieldError(finding)));
  return { errors: evaluation.findings.map(toFieldError), remaining: evaluation.remaining };
}

const textOf = ({ field, message }: FieldError): string => `${field}: ${message}`;

/** One value that has rules. */
interface Task {
  value: JsonValue;
  /** Null: there is none. */
  old: JsonValue;
  schema: StructuralSchema;
  path: string;
  isResource: boolean;
  ratchet: Ratchet;
}

/** Finds out whether a value has not changed: it, or the nearest value around it that can be compared. */
class Ratchet {
  readonly #current: Correlation | undefined;
  readonly #nearest: Correlation | undefined;
  constructor(current: Correlation | undefined, nearest: Correlation | undefined) {
    this.#current = current;
    this.#nearest = nearest;
  }
  get isUnchanged(): boolean {
    return (this.#current ?? this.#nearest)?.isUnchanged === true;
  }
  key(name: string): Ratchet {
    if (this.#current === undefined) return this;
    // A change of version cannot be seen: both objects are of the one that was asked for.
    if (this.#nearest === undefined && (name === 'apiVersion' || name === 'kind')) return new Ratchet(undefined, undefined);
    return new Ratchet(this.#current.key(name), this.#current);
  }
  index(index: number): Ratchet {
    return this.#current === undefined ? this : new Ratchet(this.#current.index(index), this.#current);
  }
}

const withRules = new WeakMap<StructuralSchema, boolean>();

/** Whether a schema or a part of it has rules. */
export function hasRules(schema: StructuralSchema): boolean {
  let known = withRules.get(schema);
  if (known === undefined) {
    known = jsonHasRules(schema.json);
    withRules.set(schema, known);
  }
  return known;
}

/** Checks the JSON, so that no nodes are created for unused parts. */
function jsonHasRules(json: StructuralSchema['json']): boolean {
  if ((json['x-kubernetes-validations']?.length ?? 0) > 0) return true;
  const { items, additionalProperties, properties } = json;
  if (isJsonObject(items) && jsonHasRules(items as StructuralSchema['json'])) return true;
  if (isJsonObject(additionalProperties) && jsonHasRules(additionalProperties as StructuralSchema['json'])) return true;
  return properties !== undefined && Object.values(properties).some(jsonHasRules);
}

function collectTasks(task: Task, tasks: Task[]): void {
  const { value, old, schema, path, ratchet } = task;
  if (value === null || !hasRules(schema)) return;
  if (schema.rules.length > 0) tasks.push(task);
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined || !hasRules(items)) return;
    const earlier = new MapList(schema, Array.isArray(old) ? old : []);
    for (const [index, item] of value.entries())
      collectTasks(
        {
          value: item,
          old: earlier.get(item) ?? null,
          schema: items,
          path: keyPath(path, index),
          isResource: items.isEmbeddedResource,
          ratchet: ratchet.index(index),
        },
        tasks,
      );
    return;
  }
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    const property = schema.property(key);
    const child = property ?? schema.additional;
    if (child === undefined || !hasRules(child)) continue;
    // Expressions know nothing of fields without a type, and of what is in them.
    if (property !== undefined && declaredType(property, property.isEmbeddedResource) === undefined) continue;
    collectTasks(
      {
        value: value[key] as JsonValue,
        old: isJsonObject(old) && Object.hasOwn(old, key) ? (old[key] as JsonValue) : null,
        schema: child,
        path: property === undefined ? keyPath(path, key) : childPath(path, key),
        isResource: child.isEmbeddedResource,
        ratchet: ratchet.key(key),
      },
      tasks,
    );
  }
}

/** A failure before it becomes a field error. */
interface Finding {
  path: string;
  reason: string;
  /** Undefined: not shown. */
  value: unknown;
  detail: string;
}

function toFieldError({ path, reason, value, detail }: Finding): FieldError {
  const field = path === '' ? noPath : path;
  switch (reason) {
    case 'FieldValueForbidden':
      return forbiddenField(field, detail);
    case 'FieldValueRequired':
      return required(field, detail);
    case 'FieldValueDuplicate':
      return value === undefined ? { field, reason, message: 'Duplicate value' } : duplicate(field, value);
    default:
      return value === undefined ? invalidField(field, detail) : invalidValue(field, value, detail);
  }
}

/** The evaluation of all rules of one object. */
class Evaluation {
  /** Below zero: nothing more is evaluated. */
  remaining: number;
  readonly findings: Finding[] = [];
  readonly warnings: Finding[] = [];

  constructor(budget: number) {
    this.remaining = budget;
  }

  /** Yields after each rule. */
  *evaluate(task: Task): Steps<void> {
    const { schema, isResource } = task;
    const compiled = rulesOf(schema, isResource);
    if (compiled === undefined)
      return this.#invalid(task, 'rule compiler initialization error: failed to convert to declType for CEL validation rules');
    if (this.remaining <= 0) return this.#stop(task, outOfBudget);
    const self = fromJson(task.value, compiled.type.type);
    const oldSelf = task.old === null ? undefined : fromJson(task.old, compiled.type.type);
    for (const rule of compiled.rules) {
      if (rule.error !== undefined) this.#invalid(task, `rule compile error: ${rule.error}`);
      else if (rule.program !== undefined) this.#rule(task, rule, rule.program, self, oldSelf);
      if (this.remaining < 0) return;
      yield;
    }
  }

  #invalid({ path, schema }: Task, detail: string): void {
    this.findings.push({ path, reason: '', value: schema.type, detail });
  }

  #stop(task: Task, detail: string): void {
    this.#invalid(task, detail);
    this.remaining = -1;
  }

  #rule(task: Task, compiled: CompiledRule, program: Program, self: Value, oldSelf: Value | undefined): void {
    const { rule, usesOldSelf } = compiled;
    const isOptional = rule.optionalOldSelf === true;
    if (usesOldSelf && oldSelf === undefined && !isOptional) return;
    const plain = activation(self, oldSelf);
    const optional = (): Value => (oldSelf === undefined ? Optional.none : Optional.of(oldSelf));
    const { value, error, cost } = program.run(isOptional ? activation(self, optional()) : plain, perCallLimit);
    if (error instanceof CelCostError) {
      const text = `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${ruleText(rule)}`;
      return this.#stop(task, cost > this.remaining ? outOfBudget : text);
    }
    if (cost > this.remaining) return this.#stop(task, outOfBudget);
    this.remaining -= cost;
    if (error !== undefined) {
      const text = error.message.startsWith('no such overload')
        ? `'${error.message}': call arguments did not match a supported operator, function or macro signature for rule: ${ruleText(rule)}`
        : `${error.message} evaluating rule: ${ruleText(rule)}`;
      return this.#invalid(task, text);
    }
    if (value === true) return;
    this.#failed(task, compiled, plain);
  }

  #failed(task: Task, { rule, message, fieldPath, usesOldSelf }: CompiledRule, variables: Variables): void {
    const { schema, value } = task;
    const path = fieldPath === '' ? task.path : childPath(task.path, fieldPath);
    const isLet = !usesOldSelf && task.ratchet.isUnchanged;
    const add = (finding: Finding): void => void (isLet ? this.warnings : this.findings).push(finding);
    const made = message === undefined ? undefined : this.#message(message, rule, variables);
    if (made !== undefined && 'stop' in made) {
      this.remaining = -1;
      return add({ path, reason: '', value: schema.type, detail: made.stop });
    }
    const isShown = schema.type !== 'object' && schema.type !== 'array';
    add({ path, reason: rule.reason ?? '', value: isShown ? value : undefined, detail: made?.text ?? defaultMessage(rule) });
  }

  /** The result of the message expression; undefined when it cannot be used. */
  #message(program: Program, rule: ValidationRule, variables: Variables): { text: string } | { stop: string } | undefined {
    const { value, error, cost } = program.run(variables, perCallLimit);
    if (cost > this.remaining)
      return {
        stop: 'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run',
      };
    if (error instanceof CelCostError) {
      const source = JSON.stringify(rule.messageExpression);
      return { stop: `no further validation rules will be run due to call cost exceeds limit for messageExpression: ${source}` };
    }
    this.remaining -= cost;
    if (error !== undefined || typeof value !== 'string') return undefined;
    const text = value.trim();
    return text === '' || text.includes('\n') || Buffer.byteLength(text) > maxMessageBytes ? undefined : { text };
  }
}

const outOfBudget = 'validation failed due to running out of cost budget, no further validation rules will be run';

type Variables = Readonly<Record<string, Value>>;

const activation = (self: Value, oldSelf: Value | undefined): Variables => (oldSelf === undefined ? { self } : { self, oldSelf });

const defaultMessage = (rule: ValidationRule): string =>
  (rule.message ?? '') === '' ? `failed rule: ${ruleText(rule)}` : (rule.message as string).trim();
