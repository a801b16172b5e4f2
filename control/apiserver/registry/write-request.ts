/** What the registry has to know of a write besides the object: who writes, how the new object is made, and what admission plugins get. */
import type { KubeObject } from '#api/meta.ts';
import type { RequestContext, UpdatedPart } from './strategy.ts';

/** Who writes, and how far the write goes. */
export interface WriteContext extends RequestContext {
  /** The manager that managedFields name for this write. */
  fieldManager: string;
  /** Everything is checked and answered, but nothing is stored or allocated. */
  dryRun: boolean;
  /** The request was admitted as a whole (a binding, an eviction): the writes it is made of are not admitted again, as upstream. */
  admitted?: boolean;
  /** The write is one delete of a DELETE of a collection: admission gets no name. */
  ofCollection?: boolean;
}

/** What admission plugins get instead of the object: for `scale` of a Deployment, the Scale. Pure. */
export interface AdmissionView {
  of(object: KubeObject): KubeObject;
  /** Returns the object with the plugins' changes of the view (a Scale). */
  into(object: KubeObject, view: KubeObject): KubeObject;
}

/** How an update makes the new object out of the stored one. */
export interface UpdateRequest {
  /**
   * Makes the new object from a copy of the stored one; called again after a lost race. `undefined`: there is none yet.
   * @param bytes length of the stored one's JSON
   */
  transform(current: KubeObject | undefined, bytes: number): KubeObject | Promise<KubeObject>;
  /** Empty: the object itself. */
  subresource: string;
  /**
   * `transform` returns a new object that shares no part with its argument. It is then given the stored object itself, without a copy
   * (and must not change it).
   */
  returnsOwn?: boolean;
  /** Which part the strategy lets through; `bypass`: the caller changed only what its endpoint may. */
  mode: UpdatedPart;
  /** Server-side apply creates what is not there (true), other patches never do (false); absent: as the kind's strategy says. */
  forceCreate?: boolean;
  /** managedFields are already in place (server-side apply), or the endpoint owns no fields (binding, eviction). */
  fieldsTracked?: boolean;
  /** Absent: admission sees the object itself. */
  view?: AdmissionView;
}
