/**
 * Validation and managed fields of an object that is about to be stored. Those of a large object are done step by step, with other
 * requests served in between, and its managed fields are computed in another thread.
 *
 * Source: apiserver `pkg/registry/rest/{create,update}.go`; `pkg/endpoints/handlers/fieldmanager` for managedFields.
 */
import { type Check, collectFieldErrors, type FieldError, LongValidation } from '#api/field-error.ts';
import { copySteps } from '#api/json-steps.ts';
import type { KubeObject } from '#api/meta.ts';
import { validateManagedFields } from '#api/object-meta.ts';
import type { Resource } from '#api/resources.ts';
import { invalid } from '#api/status.ts';
import type { Steps } from '#api/steps.ts';
import type { Clock } from '#client/clock.ts';
import { inTurns, letOthersIn } from '#client/turns.ts';
import { type CachedObject, copyOf } from '../cache/cached-object.ts';
import { checkStorable, isLargeText, isTrackable, type ObjectSize, sizeOf } from '../cache/object-size.ts';
import type { ObjectPatcher, ResetFields, TrackRequest } from '../patch/patch.ts';
import type { WriteContext } from './write-request.ts';

/** What the checks need. */
export interface ObjectChecksDeps {
  clock: Clock;
  patcher: ObjectPatcher;
  /** `ObjectPatcher.trackManagedFields` of large objects, in another thread. */
  trackElsewhere(request: TrackRequest): Promise<void>;
}

/** What managed fields are computed from. */
export interface TrackedWrite {
  object: KubeObject;
  /** The stored object; undefined: there is none, the object is new. */
  live: KubeObject | undefined;
  /** '': the object itself. */
  subresource: string;
  /** What the kind's strategy says of this endpoint; see `Strategy.resetFields`. */
  resetFields: ResetFields | undefined;
  /** What {@link ObjectChecks.checkLarge} returned; undefined: the object is not large. */
  size: ObjectSize | undefined;
}

/** Validates objects and records managedFields; a part of the Registry. */
export class ObjectChecks {
  readonly #deps: ObjectChecksDeps;

  constructor(deps: ObjectChecksDeps) {
    this.#deps = deps;
  }

  /**
   * The first part of the validation of a large object: all but its managedFields. The server first replaces the managedFields that the client
   * sent ({@link track}), and {@link validate} checks the result.
   * @throws ApiError 422 when the object is invalid, 500 when it is larger than what can be stored
   */
  async checkLarge(resource: Resource, object: KubeObject, checks: readonly Check[]): Promise<ObjectSize> {
    const { managedFields } = object.metadata;
    delete object.metadata.managedFields;
    const size = sizeOf(object);
    const errors: FieldError[] = [];
    for (const check of checks) {
      await letOthersIn();
      const found = collectBriefly(check);
      errors.push(...(Array.isArray(found) ? found : await inTurns(found)));
      // Enough for an answer: more of them would only make it longer.
      if (errors.length >= enoughErrors) break;
    }
    throwIfInvalid(resource, object, errors);
    checkStorable(size);
    if (managedFields !== undefined) object.metadata.managedFields = managedFields;
    await letOthersIn();
    return size;
  }

  /** Records in `metadata.managedFields` what this write sets. For a very large object nothing is recorded, as upstream does. */
  async track(
    resource: Resource,
    { object, live, subresource, resetFields, size }: TrackedWrite,
    context: Pick<WriteContext, 'fieldManager'>,
  ): Promise<void> {
    if (size !== undefined && !isTrackable(size)) {
      delete object.metadata.managedFields;
      return;
    }
    const { fieldManager } = context;
    const nowMs = this.#deps.clock.now();
    const request = { object, live, typeName: resource.schema, fieldManager, subresource, resetFields, nowMs };
    if (size === undefined) this.#deps.patcher.trackManagedFields(request);
    else await this.#deps.trackElsewhere(request);
  }

  /**
   * Validates the object; of a large object (`size`) only the managedFields, because {@link checkLarge} has done the rest.
   * @throws ApiError 422
   */
  async validate(
    resource: Resource,
    object: KubeObject,
    errors: () => FieldError[],
    size: ObjectSize | undefined,
  ): Promise<void> {
    const found = collectBriefly(size === undefined ? errors : () => errorsOfManagedFields(object));
    throwIfInvalid(resource, object, Array.isArray(found) ? found : await inTurns(found));
  }
}

/** The errors, or the steps to them where they take long. */
function collectBriefly(check: Check): FieldError[] | Steps<FieldError[]> {
  try {
    return collectFieldErrors(check);
  } catch (error) {
    if (error instanceof LongValidation) return error.steps;
    throw error;
  }
}

/** Of a large object: from so many errors on, the rest of its validation is left out. */
const enoughErrors = 1_000;

function throwIfInvalid(resource: Resource, object: KubeObject, problems: readonly FieldError[]): void {
  if (problems.length > 0) throw invalid({ group: resource.group, name: resource.kind }, object.metadata.name ?? '', problems);
}

const errorsOfManagedFields = ({ metadata }: KubeObject): FieldError[] =>
  validateManagedFields(metadata.managedFields ?? [], 'metadata.managedFields');

/** A deep copy of the stored object that may be changed; a large one is copied in steps, with other requests in between. */
export async function copyInTurns({ object, bytes }: CachedObject): Promise<KubeObject> {
  return isLargeText(bytes) ? await inTurns(copySteps(object)) : copyOf(object);
}
