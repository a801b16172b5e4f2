/**
 * Annotations and objects that the handlers of a request record for its audit event.
 *
 * Source: apiserver `pkg/audit/context.go` (AddAuditAnnotation), `request.go` (LogRequestObject).
 */
import type { JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import type { AuditObjectRef } from './audit-event.ts';

/** The recorded annotations of one request. */
export class AuditAnnotations {
  readonly #values = new Map<string, string>();
  #objectRef: AuditObjectRef = {};
  #object: JsonValue | undefined;
  /** Set before the request is handled: whether its event will have the request's object. */
  keepsObject = false;

  /** The first value for a key is kept. @param isContent only for events that have objects */
  add(key: string, value: string, isContent = false): void {
    if (!this.#values.has(key) && (!isContent || this.keepsObject)) this.#values.set(key, value);
  }

  /** The object that the client sent, before any changes. */
  requested(object: Partial<KubeObject>): void {
    const { namespace, name, uid, resourceVersion } = object.metadata ?? {};
    this.#objectRef = {
      ...(name ? { name } : {}),
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
      ...(resourceVersion ? { resourceVersion } : {}),
    };
    if (this.keepsObject) this.#object = structuredClone(object) as JsonValue;
  }

  /** Name, namespace and the like in the object that was sent. */
  get objectRef(): AuditObjectRef {
    return this.#objectRef;
  }

  /** Undefined if none was sent, or events have no objects. */
  get object(): JsonValue | undefined {
    return this.#object;
  }

  /** Sorted by key; undefined if there are none. */
  values(): Readonly<Record<string, string>> | undefined {
    if (this.#values.size === 0) return undefined;
    return Object.fromEntries([...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
