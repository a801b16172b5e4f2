/**
 * API errors: what leaves the API server is a `Status` with a code, a reason and details; callers ask for the reason
 * (`isNotFound(error)`), never for the text.
 *
 * Source: apimachinery `pkg/api/errors` (reasons, codes, message texts).
 */
import type { Status, StatusCause } from './types.generated.ts';

/** A group and a plural (or, in `Invalid` and `AlreadyExists` texts, a kind), written `deployments.apps`. */
export interface GroupName {
  group: string;
  name: string;
}

/** An error answer of the API, thrown by the server's own code and by clients that received one. */
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

export const notFound = (resource: GroupName, name: string): ApiError =>
  failure(404, 'NotFound', `${qualified(resource)} "${name}" not found`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

export const alreadyExists = (resource: GroupName, name: string): ApiError =>
  failure(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

export const conflict = (resource: GroupName, name: string, why: string): ApiError =>
  failure(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    name,
    group: resource.group || undefined,
    kind: resource.name,
  });

/** `kind` is the kind with its group, as upstream writes it: `Deployment.apps "web" is invalid: …`. */
export function invalid(
  kind: GroupName,
  name: string,
  errors: readonly { field: string; reason: string; message: string }[],
): ApiError {
  // Said once in the text, as often as it was found in the causes (ErrorList.ToAggregate).
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

export const badRequest = (message: string): ApiError => failure(400, 'BadRequest', message);
export const unauthorized = (): ApiError => failure(401, 'Unauthorized', 'Unauthorized');
export const expired = (message: string): ApiError => failure(410, 'Expired', message);
export const requestTooLarge = (message: string): ApiError => failure(413, 'RequestEntityTooLarge', message);
export const internalError = (message: string): ApiError =>
  failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
/** 500 without a reason: an error that upstream's server passes on as it is (apiserver `responsewriters/status.go`). */
export const unknownError = (message: string): ApiError => {
  const { reason: _, ...status } = failure(500, '', message).status;
  return new ApiError(status as Status);
};
export const serviceUnavailable = (message: string): ApiError => failure(503, 'ServiceUnavailable', message);
export const methodNotSupported = (resource: GroupName, action: string): ApiError =>
  failure(405, 'MethodNotAllowed', `${action} is not supported on resources of kind "${qualified(resource)}"`, {
    group: resource.group || undefined,
    kind: resource.name,
  });
export const forbidden = (resource: GroupName, name: string, why: string): ApiError =>
  failure(403, 'Forbidden', `${qualified(resource)} ${name === '' ? '' : `"${name}" `}is forbidden: ${why}`, {
    name: name || undefined,
    group: resource.group || undefined,
    kind: resource.name,
  });
export const unsupportedMediaType = (message: string): ApiError => failure(415, 'UnsupportedMediaType', message);
export const notAcceptable = (message: string): ApiError => failure(406, 'NotAcceptable', message);

const hasReason = (error: unknown, ...reasons: string[]): boolean => error instanceof ApiError && reasons.includes(error.reason);

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isInvalid = (error: unknown): boolean => hasReason(error, 'Invalid');
/** The resourceVersion asked for is compacted away (410): list again. */
export const isExpired = (error: unknown): boolean => hasReason(error, 'Expired', 'Gone');
/** A namespace that is being deleted accepts nothing new. */
export const isNamespaceTerminating = (error: unknown): boolean =>
  error instanceof ApiError && (error.status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating');
