/** One version of a custom resource as its objects are read and checked: its schema, read when it is first needed. */
import type { FieldError } from '#api/field-error.ts';
import type { JsonObject } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { badRequest } from '#api/status.ts';
import { validateBriefly } from '#api/structural-schema/custom-resource.ts';
import { applyDefaults, dropNulls } from '#api/structural-schema/defaulting.ts';
import { coerceEmbeddedMeta } from '#api/structural-schema/embedded-meta.ts';
import { pruneUnknownFields } from '#api/structural-schema/pruning.ts';
import { parseStructuralSchema, type StructuralSchema } from '#api/structural-schema/structural-schema.ts';
import type { CustomResourceDefinitionVersion } from '#api/types.generated.ts';

/** The schema of one version. */
export class VersionSchema {
  readonly #schema: StructuralSchema;
  /** The whole object is kept as it is, whatever the schema says: the way of definitions of apiextensions.k8s.io/v1beta1. */
  readonly #preservesAll: boolean;
  readonly #warnings = new WeakMap<KubeObject, string[]>();

  constructor({ schema }: CustomResourceDefinitionVersion, preservesAll: boolean) {
    this.#schema = parseStructuralSchema(schema?.openAPIV3Schema);
    this.#preservesAll = preservesAll;
  }

  /**
   * Brings a decoded object into the form of its schema; in place: fields that it does not know go, and nulls where none may be.
   * @param isStored what cannot be read is dropped, too @returns the paths of unknown fields @throws ApiError 400 for embedded metadata that
   * cannot be read
   */
  prune(object: KubeObject, isStored = false): string[] {
    const value = object as unknown as JsonObject;
    const pruned = this.#preservesAll ? [] : pruneUnknownFields(value, this.#schema, { isResourceRoot: true });
    if (!this.#preservesAll) dropNulls(value, this.#schema);
    const { error, unknown } = coerceEmbeddedMeta(value, this.#schema, { dropInvalid: isStored });
    if (error !== undefined) throw badRequest(`${error.field}: ${error.message}`);
    return [...pruned, ...unknown];
  }

  /** In place. */
  applyDefaults(object: KubeObject): void {
    applyDefaults(object as unknown as JsonObject, this.#schema);
  }

  /**
   * @param old undefined on create @param found errors that were found before @param isStatus only the status is written
   * @throws LongValidation when the rules cost much
   */
  validate(object: KubeObject, old: KubeObject | undefined, found: readonly FieldError[], isStatus: boolean): FieldError[] {
    const before = old as unknown as JsonObject | undefined;
    const warnings: string[] = [];
    this.#warnings.set(object, warnings);
    return validateBriefly(object as unknown as JsonObject, before, this.#schema, {
      found,
      isStatus,
      warn: (warning) => warnings.push(warning),
    });
  }

  /** What {@link validate} let through because it has not changed. */
  warningsOf(object: KubeObject): readonly string[] {
    return this.#warnings.get(object) ?? [];
  }
}
