/**
 * The rules of custom resources of one version.
 *
 * Source: apiextensions-apiserver `pkg/registry/customresource/{strategy,status_strategy,validator}.go`.
 */
import { type FieldError, invalidValue } from '#api/field-error.ts';
import { nextInt64 } from '#api/int64.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { type JsonPath, parseJsonPath } from '#api/json-path.ts';
import { type KubeObject, sameJson } from '#api/meta.ts';
import { isQualifiedName, nameIsDnsSubdomain } from '#api/names.ts';
import { validateGenericMeta, validateGenericMetaUpdate } from '#api/object-meta.ts';
import type { CustomResourceDefinitionVersion, CustomResourceSubresourceScale, SelectableField } from '#api/types.generated.ts';
import type { Strategy } from '../registry/strategy.ts';
import { tableOf } from './columns.ts';
import { integerAt, textAt } from './replicas-path.ts';
import type { VersionSchema } from './version-schema.ts';

const maxInt32 = 2_147_483_647;

/** @param schemaOf the schema of an object's own version: stored objects may be of another one than this */
export function customResourceStrategy(
  version: CustomResourceDefinitionVersion,
  isNamespaced: boolean,
  schema: VersionSchema,
  schemaOf: (object: KubeObject) => VersionSchema,
): Strategy {
  const { status, scale } = version.subresources ?? {};
  const hasStatus = status !== undefined;
  const scaled = (object: KubeObject, isStatus: boolean): FieldError[] =>
    scale === undefined ? [] : scaleErrors(object, scale, isStatus);
  return {
    allowUnconditionalUpdate: false,
    setDefaults: (object) => schemaOf(object).applyDefaults(object),
    prepareForCreate(object) {
      if (hasStatus) delete fieldsOf(object)['status'];
      object.metadata.generation = 1;
      schema.prune(object);
    },
    prepareForUpdate(object, old, _context, subresource) {
      if (subresource === 'status') return keepAllButStatus(object, old, schema);
      const [fields, before] = [fieldsOf(object), fieldsOf(old)];
      if (hasStatus) {
        if (before['status'] === undefined) delete fields['status'];
        else fields['status'] = before['status'];
      }
      schema.prune(object);
      const generation = old.metadata.generation ?? 0;
      object.metadata.generation = isSameBesidesMetadata(object, old) ? generation : nextInt64(generation);
    },
    validate(object) {
      const meta = validateGenericMeta(object.metadata, { namespaced: isNamespaced, name: nameIsDnsSubdomain });
      const found = [...meta, ...scaled(object, false)];
      return [...found, ...schema.validate(object, undefined, found, false)];
    },
    validateUpdate(object, old, subresource) {
      const isStatus = subresource === 'status';
      const found = [...validateGenericMetaUpdate(object.metadata, old.metadata), ...scaled(object, isStatus)];
      return [...found, ...schema.validate(object, old, found, isStatus)];
    },
    warnings: (object, old) => [...schema.warningsOf(object), ...finalizerWarnings(object, old)],
    resetFields: {
      '': hasStatus ? { fields: [['f:status']] } : {},
      status: { fields: [['f:metadata'], ['f:spec']] },
    },
    table: tableOf(version.additionalPrinterColumns),
    ...selection(version.selectableFields ?? []),
  };
}

const fieldsOf = (object: KubeObject): JsonObject => object as unknown as JsonObject;

function keepAllButStatus(object: KubeObject, old: KubeObject, schema: VersionSchema): void {
  const fields = fieldsOf(object);
  schema.prune(object);
  const { managedFields } = object.metadata;
  const status = fields['status'];
  for (const name of Object.keys(fields)) delete fields[name];
  Object.assign(fields, fieldsOf(old), { metadata: { ...old.metadata, managedFields } });
  if (managedFields === undefined) delete object.metadata.managedFields;
  if (status === undefined) delete fields['status'];
  else fields['status'] = status;
}

function isSameBesidesMetadata(object: KubeObject, old: KubeObject): boolean {
  const { metadata: _, ...fields } = object;
  const { metadata: __, ...before } = old;
  return sameJson(fields, before);
}

function scaleErrors(object: KubeObject, scale: CustomResourceSubresourceScale, statusOnly: boolean): FieldError[] {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  const selector = labelSelectorPath === undefined ? undefined : textAt(fieldsOf(object), labelSelectorPath);
  return [
    ...(statusOnly ? [] : replicasErrors(object, specReplicasPath)),
    ...replicasErrors(object, statusReplicasPath),
    ...(selector?.wrong === undefined ? [] : [invalidValue(labelSelectorPath ?? '', '', selector.wrong)]),
  ];
}

function replicasErrors(object: KubeObject, path: string): FieldError[] {
  const { value = 0, wrong } = integerAt(fieldsOf(object), path);
  if (wrong !== undefined) return [invalidValue(path, 0, wrong)];
  if (value < 0) return [invalidValue(path, value, 'should be a non-negative integer')];
  return value > maxInt32 ? [invalidValue(path, value, `should be less than or equal to ${maxInt32}`)] : [];
}

const standardFinalizers = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

/** Of finalizers that the write adds. */
function finalizerWarnings({ metadata }: KubeObject, old: KubeObject | undefined): string[] {
  const before = new Set(old?.metadata.finalizers);
  const added = (metadata.finalizers ?? []).filter((one) => !before.has(one));
  return [...new Set(added)].sort().flatMap((finalizer) => {
    const at = `metadata.finalizers: ${JSON.stringify(finalizer)}: `;
    const wrong = isQualifiedName(finalizer).map((why) => `${at}${why}`);
    if (finalizer.includes('/') || standardFinalizers.has(finalizer)) return wrong;
    const path = finalizer.includes('.') ? ' including a path (/)' : '';
    const prefer = `prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`;
    return [...wrong, `${at}${prefer}`];
  });
}

/** @returns the part of the strategy that says what field selectors may name */
function selection(fields: readonly SelectableField[]): Pick<Strategy, 'selectableFields' | 'fields'> {
  const names = fields.map(({ jsonPath }) => jsonPath.replace(/^\./, ''));
  let paths: readonly JsonPath[] | undefined;
  return {
    selectableFields: names,
    fields(object) {
      paths ??= fields.map(({ jsonPath }) => parseJsonPath(jsonPath));
      const values = paths.map((path, index): [string, string] => [
        names[index] as string,
        textOf(path.first(object as unknown as JsonValue)),
      ]);
      return Object.fromEntries(values);
    },
  };
}

const textOf = (value: JsonValue | undefined): string => (value === undefined || value === null ? '' : String(value));
