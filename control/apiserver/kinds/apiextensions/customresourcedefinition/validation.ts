/**
 * What is wrong with a CustomResourceDefinition. Paths and texts are those of upstream's internal version (`hub-spec.ts`).
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/validation/validation.go`.
 */
import { type Check, type FieldError, invalidField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { sameJson } from '#api/meta.ts';
import { isDns1035Label, isDns1123Subdomain, type NameCheck, nameIsDnsSubdomain } from '#api/names.ts';
import { validateGenericMeta, validateGenericMetaUpdate, validateImmutable } from '#api/object-meta.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
} from '#api/types.generated.ts';
import { validateApproval } from './approval.ts';
import { isTrue } from './conditions.ts';
import { validateConversion } from './conversion-validation.ts';
import { type PartPlaces, partPlaces } from './hub-spec.ts';
import { requireNames, validateNames } from './names-validation.ts';
import { validateSchema } from './schema-validation.ts';
import { validateColumns, validateDeprecation, validateSelectableFields, validateSubresources } from './version-validation.ts';

/** The parts of the validation; that of a schema takes long where it is large. @param old undefined on create */
export function checkDefinition(
  definition: CustomResourceDefinition,
  old: CustomResourceDefinition | undefined,
): readonly Check[] {
  const { spec, metadata } = definition;
  const places = partPlaces(spec);
  return [
    () =>
      old === undefined
        ? validateGenericMeta(metadata, { namespaced: false, name: nameOf(spec) })
        : validateGenericMetaUpdate(metadata, old.metadata),
    () => validateHead(spec),
    ...spec.versions.map((_, index) => () => validateVersion(spec, index, places, old)),
    () => validateVersions(spec),
    () => requireNames(spec.names, 'spec.names'),
    () => validateNames(spec.names, 'spec.names'),
    () => validateShared(spec, places, old),
    () => validateConversion(spec.conversion, old),
    () => (old === undefined ? [] : validateKept(definition, old)),
    () => validateStatus(definition),
    () => validateStoredVersions(definition),
    () => validateApproval(definition, old),
    () => validatePreserving(spec, old),
  ];
}

/** What a write of the status can have wrong, besides `metadata`. */
export const validateStatus = ({ status }: CustomResourceDefinition): FieldError[] =>
  validateNames(status?.acceptedNames ?? {}, 'status.acceptedNames');

const nameOf =
  ({ names, group }: CustomResourceDefinitionSpec): NameCheck =>
  (name, prefix) => {
    const errors = nameIsDnsSubdomain(name, prefix);
    return name === `${names.plural}.${group}` ? errors : [...errors, 'must be spec.names.plural+"."+spec.group'];
  };

function validateHead({ group = '', scope = '', versions }: Partial<CustomResourceDefinitionSpec>): FieldError[] {
  const wrong = isDns1123Subdomain(group);
  const groups =
    group === ''
      ? [required('spec.group')]
      : wrong.length > 0
        ? [invalidValue('spec.group', group, wrong.join(','))]
        : group.includes('.')
          ? []
          : [invalidValue('spec.group', group, 'should be a domain with at least one dot')];
  const scopes =
    scope === ''
      ? [required('spec.scope')]
      : ['Cluster', 'Namespaced'].includes(scope)
        ? []
        : [notSupported('spec.scope', scope, ['Cluster', 'Namespaced'])];
  const schemas = (versions ?? []).flatMap(({ schema }, index) =>
    schema?.openAPIV3Schema === undefined ? [required(`spec.versions[${index}].schema.openAPIV3Schema`)] : [],
  );
  return [...groups, ...scopes, ...schemas];
}

/** The parts of a version that it does not share with all others. */
function validateVersion(
  spec: CustomResourceDefinitionSpec,
  index: number,
  places: PartPlaces,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  const version = spec.versions[index] as CustomResourceDefinitionVersion;
  const at = `spec.versions[${index}]`;
  const wrong = isDns1035Label(version.name ?? '');
  return [
    ...(wrong.length === 0 ? [] : [invalidValue(`${at}.name`, version.name, wrong.join(','))]),
    ...validateDeprecation(version, at),
    ...(places.isShared('schema') ? [] : validateSchema(version, places.path(index, 'schema'), oldVersion(old, version.name))),
    ...(places.isShared('subresources') ? [] : validateSubresources(version.subresources, places.path(index, 'subresources'))),
    ...(places.isShared('additionalPrinterColumns')
      ? []
      : validateColumns(version.additionalPrinterColumns, places.path(index, 'additionalPrinterColumns'))),
    ...(places.isShared('selectableFields') ? [] : selectableErrors(version, places.path(index, 'selectableFields'), old)),
  ];
}

/** The parts that all versions share. */
function validateShared(
  { versions }: CustomResourceDefinitionSpec,
  places: PartPlaces,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  const [version] = versions;
  if (version === undefined) return [];
  const at = (part: Parameters<PartPlaces['path']>[1]): string => places.path(0, part);
  const hasStatus = versions.some(({ subresources }) => subresources?.status !== undefined);
  return [
    ...(places.isShared('schema') ? validateSchema(version, at('schema'), oldVersion(old, version.name), hasStatus) : []),
    ...(places.isShared('subresources') ? validateSubresources(version.subresources, at('subresources')) : []),
    ...(places.isShared('additionalPrinterColumns')
      ? validateColumns(version.additionalPrinterColumns, at('additionalPrinterColumns'))
      : []),
    ...(places.isShared('selectableFields') ? selectableErrors(version, at('selectableFields'), old) : []),
  ];
}

function selectableErrors(
  { name, schema, selectableFields }: CustomResourceDefinitionVersion,
  path: string,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  const isUnchanged = old !== undefined && sameJson(oldVersion(old, name)?.selectableFields, selectableFields);
  return validateSelectableFields(selectableFields, schema?.openAPIV3Schema, path, isUnchanged);
}

const oldVersion = (old: CustomResourceDefinition | undefined, name: string): CustomResourceDefinitionVersion | undefined =>
  old?.spec.versions.find((version) => version.name === name);

function validateVersions({ versions }: CustomResourceDefinitionSpec): FieldError[] {
  const isUnique = new Set(versions.map(({ name }) => name)).size === versions.length;
  const storage = versions.filter((version) => version.storage).length;
  return [
    ...(isUnique ? [] : [invalidField('spec.versions', 'must contain unique version names')]),
    ...(storage === 1 ? [] : [invalidField('spec.versions', 'must have exactly one version marked as storage version')]),
  ];
}

/** What may not change. */
function validateKept({ spec }: CustomResourceDefinition, old: CustomResourceDefinition): FieldError[] {
  const established = isTrue(old, 'Established')
    ? [
        ...validateImmutable(spec.scope, old.spec.scope, 'spec.scope'),
        ...validateImmutable(spec.names.kind, old.spec.names.kind, 'spec.names.kind'),
      ]
    : [];
  return [
    ...established,
    ...validateImmutable(spec.group, old.spec.group, 'spec.group'),
    ...validateImmutable(spec.names.plural, old.spec.names.plural, 'spec.names.plural'),
  ];
}

function validateStoredVersions({ spec: { versions }, status }: CustomResourceDefinition): FieldError[] {
  const path = 'status.storedVersions';
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) return [invalidValue(path, stored, 'must have at least one stored version')];
  const names = new Set(versions.map(({ name }) => name));
  return [
    ...versions
      .filter(({ name, storage }) => storage && !stored.includes(name))
      .map(({ name }) => invalidValue(path, stored, `must have the storage version ${name}`)),
    ...stored.flatMap((name, index) =>
      names.has(name)
        ? []
        : [
            invalidValue(
              `${path}[${index}]`,
              name,
              `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
            ),
          ],
    ),
  ];
}

function validatePreserving(
  { preserveUnknownFields }: CustomResourceDefinitionSpec,
  old: CustomResourceDefinition | undefined,
): FieldError[] {
  if (preserveUnknownFields !== true || old?.spec.preserveUnknownFields === true) return [];
  const instead = 'set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead';
  return [invalidValue('spec.preserveUnknownFields', true, `cannot set to true, ${instead}`)];
}
