/**
 * The way from client-side to server-side apply: what `kubectl apply` wrote into its annotation counts as kubectl's own.
 *
 * Source: kubernetes.io, Server-Side Apply ("Upgrading from client-side apply to server-side apply").
 */

import { goJson } from '#api/go-json.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { fitAnnotations } from '#api/labels.ts';
import { difference, emptySet, type FieldSet, union } from './field-set.ts';
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
  const { [annotation]: _, ...others } = annotations;
  const renewed = { ...others, [annotation]: `${goJson(withoutLastApplied(configuration))}\n` };
  // What is too large for an annotation is applied all the same; it only is no longer told there.
  const kept = fitAnnotations(renewed as Record<string, string>) ? renewed : others;
  return { ...result, metadata: { ...metadata, annotations: kept } };
}

/** Without the annotation itself; a configuration that has no annotations is not given an empty map of them. */
function withoutLastApplied(configuration: JsonObject): JsonObject {
  const metadata = objectOr(configuration['metadata']);
  const { annotations, ...rest } = metadata;
  if (!isJsonObject(annotations)) return { ...configuration, metadata: rest };
  const { [annotation]: _, ...others } = annotations;
  return { ...configuration, metadata: { ...rest, annotations: others } };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined; // Anybody can write annotations: one that is no JSON is nobody's claim.
  }
}

const objectOr = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {});
