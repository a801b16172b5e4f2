/**
 * API errors. An error leaves the API server as a `Status` with a code, a reason and details. Callers test the reason
 * (`isNotFound(error)`), not the text.
 *
 * Source: apimachinery `pkg/api/errors` (reasons, codes, message texts).
 */
import type { Status, StatusCause } from './types.generated.ts';

/** A group with a plural, or with a kind in the texts of `Invalid` and `AlreadyExists`. It is written `deployments.apps`. */
export interface GroupName {
  group: string;
  name: string;
}

/** An error response of the API. The server's code throws it, and so does a client that has received one. */
export class ApiError extends Error {
  readonly status: Status;
  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? `${status.reason ?? 'Unknown'}`, options);
    this.name = 'ApiError';
    this.status = status;
  }
  /** The HTTP status code. */
  get code(): number {
    return this.status.code ?? 500;
  }
  get reason(): string {
    return this.status.reason ?? '';
  }
}

/** `deployments.apps "web"`, or `pods "web"` in the core group. */
function qualified({ group, name }: GroupName): string {
  return group === '' ? name : `${name}.${group}`;
}

/** An error with any code and reason. */
export function failure(code: number, reason: string, message: string, details?: Status['details']): ApiError {
  return new ApiError({
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {} as Status['metadata'],
    status: 'Failure',
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  });
}

/** 404 NotFound: the object does not exist. */
export const notFound = (resource: GroupName, name: string): ApiError =>
  failure(404, 'NotFound', `${qualified(resource)} "${name}" not found`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

/** 409 AlreadyExists: an object with this name exists. */
export const alreadyExists = (resource: GroupName, name: string): ApiError =>
  failure(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

/** 409 Conflict: the object has changed since the client read it, or a precondition fails. `why` ends the message. */
export const conflict = (resource: GroupName, name: string, why: string): ApiError =>
  failure(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

/**
 * 422 Invalid with all field errors. `kind` is the kind with its group, as upstream writes it: `Deployment.apps "web" is invalid:
 * …`.
 */
export function invalid(
  kind: GroupName,
  name: string,
  errors: readonly { field: string; reason: string; message: string }[],
): ApiError {
  // An error that was found several times is printed once in the message, but is several causes (upstream's
  // ErrorList.ToAggregate).
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const causes: StatusCause[] = errors.map(({ field, reason, message }) => ({ reason, message, field }));
  return failure(422, 'Invalid', `${qualified(kind)} "${name}" is invalid: ${text}`, {
    name,
    group: kind.group || undefined,
    kind: kind.name,
    causes,
  });
}

/** 400 BadRequest. */
export const badRequest = (message: string): ApiError => failure(400, 'BadRequest', message);
/** 401 Unauthorized. */
export const unauthorized = (): ApiError => failure(401, 'Unauthorized', 'Unauthorized');
/** 410 Expired: the resourceVersion or continue token is too old. */
export const expired = (message: string): ApiError => failure(410, 'Expired', message);
/** 413 RequestEntityTooLarge. */
export const requestTooLarge = (message: string): ApiError => failure(413, 'RequestEntityTooLarge', message);
/** 500 InternalError. */
export const internalError = (message: string): ApiError =>
  failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
/** 500 without a reason, for an error that upstream's server passes on unchanged (apiserver `responsewriters/status.go`). */
export const unknownError = (message: string): ApiError => {
  const { reason: _, ...status } = failure(500, '', message).status;
  return new ApiError(status as Status);
};
/** 503 ServiceUnavailable. */
export const serviceUnavailable = (message: string): ApiError => failure(503, 'ServiceUnavailable', message);
/** 405 MethodNotAllowed: the resource does not support the action. */
export const methodNotSupported = (resource: GroupName, action: string): ApiError =>
  failure(405, 'MethodNotAllowed', `${action} is not supported on resources of kind "${qualified(resource)}"`, {
    group: resource.group || undefined,
    kind: resource.name,
  });
/** 403 Forbidden. `why` ends the message. */
export const forbidden = (resource: GroupName, name: string, why: string): ApiError =>
  failure(403, 'Forbidden', `${qualified(resource)} ${name === '' ? '' : `"${name}" `}is forbidden: ${why}`, {
    name: name || undefined,
    group: resource.group || undefined,
    kind: resource.name,
  });
/** 415 UnsupportedMediaType: the body's content type is not supported. */
export const unsupportedMediaType = (message: string): ApiError => failure(415, 'UnsupportedMediaType', message);
/** 406 NotAcceptable: the server has no form that the client accepts. */
export const notAcceptable = (message: string): ApiError => failure(406, 'NotAcceptable', message);

const hasReason = (error: unknown, ...reasons: string[]): boolean => error instanceof ApiError && reasons.includes(error.reason);

/** Whether the error is a 404 NotFound of the API. */
export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
/** Whether the error is a 409 AlreadyExists of the API. */
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');
/** Whether the error is a 409 Conflict of the API. */
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
/** Whether the error is a 415 UnsupportedMediaType of the API. */
export const isUnsupportedMediaType = (error: unknown): boolean => hasReason(error, 'UnsupportedMediaType');
/** Whether the error is a 422 Invalid of the API. */
export const isInvalid = (error: unknown): boolean => hasReason(error, 'Invalid');
/** Whether the error is a 410: the requested resourceVersion has been compacted. List again. */
export const isExpired = (error: unknown): boolean => hasReason(error, 'Expired', 'Gone');
/** Whether the error means that the namespace is being deleted and accepts no new objects. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  error instanceof ApiError && (error.status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating');
