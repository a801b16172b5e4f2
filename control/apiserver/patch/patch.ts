/**
 * How the registry patches objects and keeps `metadata.managedFields`: the seam between the resource handlers and the
 * patch types. The handlers own the retry on conflict, admission and validation; what is behind this seam is pure.
 */
import type { JsonObject, JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';

export type PatchContentType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json';

export interface PatchRequest {
  contentType: PatchContentType;
  /** The patch document, decoded; see `patch-body.ts`. */
  patch: JsonValue;
  /** The object as stored; never changed. */
  current: KubeObject;
  /** The type's name in the schema facts: `core/v1.Pod`. */
  typeName: string;
}

export interface ApplyRequest {
  /** The applied configuration, decoded. */
  configuration: JsonObject;
  /** The object as stored; absent: it is created. Never changed. */
  live: KubeObject | undefined;
  typeName: string;
  fieldManager: string;
  /** Takes fields over from other managers instead of failing. */
  force: boolean;
  subresource: string;
  nowMs: number;
}

export interface TrackRequest {
  /** What is about to be stored; its `metadata.managedFields` is brought up to date in place. */
  object: KubeObject;
  /** What is stored now; absent on create. */
  live: KubeObject | undefined;
  typeName: string;
  fieldManager: string;
  subresource: string;
  nowMs: number;
}

export interface ObjectPatcher {
  /**
   * The object after the patch: a new value, not validated, its strictness problems not looked at.
   * @throws ApiError 400 for a malformed patch, 422 for one that does not fit the object
   */
  patchObject(request: PatchRequest): JsonObject;
  /**
   * Server-side apply: merges, prunes what this manager no longer applies, records ownership.
   * @throws ApiError 409 with a cause per conflicting field
   */
  applyServerSide(request: ApplyRequest): JsonObject;
  /** Records an ordinary create, update or patch (operation `Update`) in managedFields. */
  trackManagedFields(request: TrackRequest): void;
}
