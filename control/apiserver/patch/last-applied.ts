/**
 * The upgrade from client-side to server-side apply: the fields in the annotation of `kubectl apply` count as applied by kubectl.
 *
 * Source: kubernetes.io, Server-Side Apply ("Upgrading from client-side apply to server-side apply").
 */

import { goJson } from '#api/go-json.ts';
import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { fitAnnotations } from '#api/labels.ts';
import { lastAppliedAnnotation } from '#api/last-applied.ts';
import { difference, emptySet, type FieldSet, union } from './field-set.ts';
import type { ApplyRequest } from './patch.ts';
import { compare, fieldsOf, typedRoot } from './typed-value.ts';

/** The upgrade happens for this field manager only: a user who does not want it chooses another name. */
const kubectl = 'kubectl';

/** The fields of the annotation that still have the values which kubectl applied. */
export function fieldsOfClientSideApply({ live, fieldManager, typeName }: ApplyRequest): FieldSet {
  const text = live?.metadata.annotations?.[lastAppliedAnnotation] ?? '';
  const lastApplied = fieldManager === kubectl ? parsed(text) : undefined;
  if (lastApplied === undefined || lastApplied['apiVersion'] !== live?.apiVersion) return emptySet();
  const root = typedRoot(typeName);
  const { added, modified, removed } = compare(lastApplied, live as unknown as JsonObject, root);
  return difference(fieldsOf(lastApplied, root), union(added, union(modified, removed)));
}

/** The result with the annotation, if there is one, set to what kubectl applies now, so that a later client-side apply compares with this. */
export function withLastApplied({ configuration, fieldManager }: ApplyRequest, result: JsonObject): JsonObject {
  const metadata = objectOr(result['metadata']);
  const annotations = objectOr(metadata['annotations']);
  if (fieldManager !== kubectl || (annotations[lastAppliedAnnotation] ?? '') === '') return result;
  const { [lastAppliedAnnotation]: _, ...others } = annotations;
  const renewed = { ...others, [lastAppliedAnnotation]: `${goJson(withoutLastApplied(configuration))}\n` };
  // A configuration that is too large for an annotation is applied without the annotation.
  const kept = fitAnnotations(renewed as Record<string, string>) ? renewed : others;
  return { ...result, metadata: { ...metadata, annotations: kept } };
}

/** The configuration without the annotation itself. One that has no annotations does not get an empty map. */
function withoutLastApplied(configuration: JsonObject): JsonObject {
  const metadata = objectOr(configuration['metadata']);
  const { annotations, ...rest } = metadata;
  if (!isJsonObject(annotations)) return { ...configuration, metadata: rest };
  const { [lastAppliedAnnotation]: _, ...others } = annotations;
  return { ...configuration, metadata: { ...rest, annotations: others } };
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined; // Anybody can write annotations. One that is no JSON is ignored, as upstream does.
  }
}

const objectOr = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {});
