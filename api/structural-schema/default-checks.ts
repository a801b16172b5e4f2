/**
 * Whether the defaults of a schema are good values of it, and have no fields that would be dropped.
 *
 * Source: apiextensions-apiserver `pkg/apiserver/schema/defaulting/{validation,surroundingobject}.go`.
 */
import { copyJson } from '../copy-json.ts';
import { type FieldError, invalidValue } from '../field-error.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { isJsonObject } from '../json.ts';
import { sameJson } from '../meta.ts';
import { atOnce } from '../steps.ts';
import { coerceEmbeddedMeta, validateEmbeddedMeta } from './embedded-meta.ts';
import { pruneUnknownFields } from './pruning.ts';
import { objectBudget, validateRules } from './rule-validation.ts';
import { childPath, keyPath, metaFields, type StructuralSchema } from './structural-schema.ts';
import { toFieldErrors } from './value-errors.ts';
import { validateValue } from './value-validation.ts';

/** @param root of a resource @param requirePruned whether unknown fields in defaults are errors: not where they are stored already */
export function validateDefaults(root: StructuralSchema, path: string, requirePruned: boolean): FieldError[] {
  const checks = new DefaultChecks(requirePruned);
  const resource = root.asResource();
  checks.check(resource, path, { root: resource, around: asResource, isInMeta: false });
  return checks.errors;
}

/** Where a node stands. */
interface Surroundings {
  /** The schema of the resource around it. */
  root: StructuralSchema;
  /** Makes a resource that has a value at the node. Undefined: the value cannot be there. */
  around: (value: JsonValue) => JsonObject | undefined;
  /** Whether the node is part of a resource's metadata, or its apiVersion or kind. */
  isInMeta: boolean;
}

/** A resource needs a name of its kind to be checked. */
function asResource(value: JsonValue): JsonObject | undefined {
  return isJsonObject(value) ? { kind: 'Validation', apiVersion: 'validation/v1', ...value } : undefined;
}

class DefaultChecks {
  readonly errors: FieldError[] = [];
  readonly #requirePruned: boolean;
  /** The remaining part of the cost budget of all rules. */
  #budget = objectBudget;

  constructor(requirePruned: boolean) {
    this.#requirePruned = requirePruned;
  }

  check(schema: StructuralSchema, path: string, given: Surroundings): void {
    if (this.#budget < 0) return;
    const at = schema.isEmbeddedResource ? { root: schema, around: asResource, isInMeta: false } : given;
    if (schema.hasDefault) this.#default(schema, childPath(path, 'default'), at);
    const { root, around, isInMeta } = at;
    const { items } = schema;
    if (items !== undefined) this.check(items, childPath(path, 'items'), { root, isInMeta, around: (value) => around([value]) });
    for (const name of schema.propertyNames)
      this.check(schema.property(name) as StructuralSchema, keyPath(childPath(path, 'properties'), name), {
        root,
        around: (value) => around(Object.fromEntries([[name, value]])),
        isInMeta: isInMeta || (schema.isEmbeddedResource && metaFields.has(name)),
      });
  }

  #default(schema: StructuralSchema, path: string, at: Surroundings): void {
    const value = schema.makeDefault();
    const before = this.errors.length;
    if (at.isInMeta) this.#inMeta(value, path, at);
    else this.#plain(value, schema, path);
    if (this.errors.length > before) return;
    const wrong = validateValue(value, schema, { form: 'written' });
    if (wrong.length > 0) this.errors.push(...toFieldErrors(wrong, path));
    else this.#rules(value, schema, path, schema === at.root);
  }

  #inMeta(value: JsonValue, path: string, { around, root }: Surroundings): void {
    const object = around(copyJson(value));
    if (object === undefined) return;
    const { error } = coerceEmbeddedMeta(object, root, { isResourceRoot: true });
    const errors = error === undefined ? validateEmbeddedMeta(object, root, '', true) : [error];
    if (errors.length === 0) return;
    const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
    const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
    this.errors.push(invalidValue(path, value, `must result in valid metadata: ${all}`));
  }

  #plain(value: JsonValue, schema: StructuralSchema, path: string): void {
    const isResourceRoot = schema.isEmbeddedResource;
    const pruned = copyJson(value);
    pruneUnknownFields(pruned, schema, { isResourceRoot });
    const isPruned = sameJson(pruned, value);
    const { error } = coerceEmbeddedMeta(value, schema, { isResourceRoot, path });
    if (this.#requirePruned && !isPruned) this.errors.push(invalidValue(path, value, 'must not have unknown fields'));
    if (error !== undefined) this.errors.push(error);
    else this.errors.push(...validateEmbeddedMeta(value, schema, path, isResourceRoot));
  }

  /** A default must also be good as a new value, for rules that accept that there is no old one. */
  #rules(value: JsonValue, schema: StructuralSchema, path: string, isResource: boolean): void {
    const options = { path, isResource, budget: this.#budget };
    const same = atOnce(validateRules(value, value, schema, options));
    this.errors.push(...same.errors);
    this.#budget = same.remaining;
    if (same.errors.length > 0) return;
    const fresh = atOnce(validateRules(value, undefined, schema, options));
    this.errors.push(...fresh.errors);
    this.#budget = Math.min(this.#budget, fresh.remaining);
  }
}
