/**
 * The way from client-side to server-side apply: what `kubectl apply` wrote into its annotation counts as kubectl's own.
 *
 * Source: kubernetes.io, Server-Side Apply ("Upgrading from client-side apply to server-side apply").
 */
import type { JsonObject, JsonValue } from '#api/json.ts';
import { difference, emptySet, type FieldSet, union } from './field-set.ts';
import { isObject } from './json-patch.ts';
import type { ApplyRequest } from './patch.ts';
import { compare, fieldsOf, typedRoot } from './typed-value.ts';

const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
/** Only under this name: who wants no upgrade applies under another one. */
const kubectl = 'kubectl';

/** The fields that kubectl applied from the client's side and that still are as it left them. */
export function fieldsOfClientSideApply({ live, fieldManager, typeName }: ApplyRequest): FieldSet {
  const text = live?.metadata.annotations?.[annotation] ?? '';
  const lastApplied = fieldManager === kubectl ? parsed(text) : undefined;
  if (lastApplied === undefined || lastApplied['apiVersion'] !== live?.apiVersion) return emptySet();
  const root = typedRoot(typeName);
  const { added, modified, removed } = compare(lastApplied, live as unknown as JsonObject, root);
  return difference(fieldsOf(lastApplied, root), union(added, union(modified, removed)));
}

/** Where the annotation is, it follows what kubectl applies, so that a later client-side apply starts from the truth. */
export function withLastApplied({ configuration, fieldManager }: ApplyRequest, result: JsonObject): JsonObject {
  const metadata = objectOr(result['metadata']);
  const annotations = objectOr(metadata['annotations']);
  if (fieldManager !== kubectl || (annotations[annotation] ?? '') === '') return result;
  const { [annotation]: _, ...others } = objectOr(objectOr(configuration['metadata'])['annotations']);
  const applied = { ...configuration, metadata: { ...objectOr(configuration['metadata']), annotations: others } };
  return {
    ...result,
    metadata: { ...metadata, annotations: { ...annotations, [annotation]: `${JSON.stringify(applied)}\n` } },
  };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined; // Anybody can write annotations: one that is no JSON is nobody's claim.
  }
}

const objectOr = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});
