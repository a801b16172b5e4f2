/** Source: apiextensions-apiserver `pkg/apis/apiextensions/v1/defaults.go`. */
import type { CustomResourceDefinition, CustomResourceDefinitionSpec } from '#api/types.generated.ts';

/** In place. */
export function setDefaults(definition: CustomResourceDefinition): void {
  // Go's structs are there even when nothing was sent.
  const spec = ((definition as { spec?: Partial<CustomResourceDefinitionSpec> }).spec ??= {});
  const names = (spec.names ??= { plural: '', kind: '' });
  spec.versions ??= [];
  if ((names.singular ?? '') === '') names.singular = (names.kind ?? '').toLowerCase();
  if ((names.listKind ?? '') === '' && (names.kind ?? '') !== '') names.listKind = `${names.kind}List`;
  spec.conversion ??= { strategy: 'None' };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service !== undefined) service.port ??= 443;
  keepStorageVersion(definition, false);
}

/**
 * Notes in the status that objects are stored in the storage version; in place.
 * @param always also where other versions are noted already
 */
export function keepStorageVersion(definition: CustomResourceDefinition, always: boolean): void {
  const storage = definition.spec.versions.find((version) => version.storage)?.name;
  const stored = definition.status?.storedVersions ?? [];
  if (storage === undefined || stored.includes(storage) || (stored.length > 0 && !always)) return;
  definition.status = { ...definition.status, storedVersions: [...stored, storage] };
}
