/**
 * The interface between the resource handlers and the patch types. Handlers retry conflicts, admit and validate; what implements this
 * interface is pure: it computes the patched object and its `metadata.managedFields`.
 */
import type { JsonObject, JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';

/** The media types of patches. */
export type PatchContentType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json';

/** A path of managedFields, in the form of FieldsV1: `['f:metadata', 'f:labels']`; `*` is any element of a list. */
export type FieldPath = readonly string[];

/**
 * Which fields a write to one endpoint (the object, or a subresource) cannot change and therefore never owns in managedFields. Source:
 * apiserver `pkg/registry/rest` (ResetFieldsStrategy, ResetFieldsFilterStrategy).
 */
export interface ResetFields {
  /** These and everything below them (upstream's GetResetFields). */
  fields?: readonly FieldPath[];
  /** All but these and what is below them (upstream's GetResetFieldsFilter). */
  allBut?: readonly FieldPath[];
}

/** A JSON, merge or strategic merge patch. */
export interface PatchRequest {
  contentType: PatchContentType;
  /** The patch document, decoded; see `patch-body.ts`. */
  patch: JsonValue;
  /** The object as stored; never changed. */
  current: KubeObject;
  /** The type's name in the schema facts: `core/v1.Pod`. */
  typeName: string;
}

/** A server-side apply. */
export interface ApplyRequest {
  /** The applied configuration, decoded. */
  configuration: JsonObject;
  /** The object as stored; absent: it is created. Never changed. */
  live: KubeObject | undefined;
  typeName: string;
  fieldManager: string;
  /** Whether fields of other managers are taken over; otherwise they are conflicts. */
  force: boolean;
  /** The name of the subresource that is written; '' for the object itself. */
  subresource: string;
  /** What a write to this endpoint never owns, where the kind has a rule of its own; see `Strategy.resetFields`. */
  resetFields: ResetFields | undefined;
  nowMs: number;
}

/** A write whose fields are to be recorded in managedFields. */
export interface TrackRequest {
  /** What is about to be stored; its `metadata.managedFields` is brought up to date in place. */
  object: KubeObject;
  /** What is stored now; absent on create. */
  live: KubeObject | undefined;
  typeName: string;
  fieldManager: string;
  /** The name of the subresource that is written; '' for the object itself. */
  subresource: string;
  /** What a write to this endpoint never owns, where the kind has a rule of its own; see `Strategy.resetFields`. */
  resetFields: ResetFields | undefined;
  nowMs: number;
}

/** Computes patches. Source: kubernetes.io, API concepts (patch), Server-Side Apply. */
export interface ObjectPatcher {
  /**
   * The object after the patch: a new value, which is neither validated nor checked for unknown fields.
   * @throws ApiError 400 for a malformed patch, 422 for one that does not fit the object
   */
  patchObject(request: PatchRequest): JsonObject;
  /**
   * The object after a server-side apply: merged, without what this manager no longer applies, with new managedFields.
   * @throws ApiError 409 with a cause per conflicting field
   */
  applyServerSide(request: ApplyRequest): JsonObject;
  /** Records an ordinary create, update or patch (operation `Update`) in managedFields. */
  trackManagedFields(request: TrackRequest): void;
}
