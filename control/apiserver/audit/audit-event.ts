/**
 * Audit events and their text form.
 *
 * Source: apiserver `pkg/apis/audit/v1/types.go`, `pkg/audit/format.go`.
 */
import { stringifyExact } from '#api/int64.ts';
import type { JsonValue } from '#api/json.ts';
import type { ApiError } from '#api/status.ts';
import type { AuditLevel, AuditStage } from './audit-policy.ts';

/** A user in events. */
export interface AuditUser {
  username?: string;
  uid?: string;
  groups?: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** The object of a request. */
export interface AuditObjectRef {
  resource?: string | undefined;
  namespace?: string | undefined;
  name?: string | undefined;
  uid?: string | undefined;
  apiGroup?: string | undefined;
  apiVersion?: string | undefined;
  resourceVersion?: string | undefined;
  subresource?: string | undefined;
}

/** An audit.k8s.io/v1 Event. Its fields are in upstream's order, in which they are written. */
export interface AuditEvent {
  kind: 'Event';
  apiVersion: 'audit.k8s.io/v1';
  level: AuditLevel;
  auditID: string;
  stage: AuditStage;
  requestURI: string;
  verb: string;
  user: AuditUser;
  impersonatedUser?: AuditUser | undefined;
  sourceIPs?: readonly string[] | undefined;
  userAgent?: string | undefined;
  objectRef?: AuditObjectRef | undefined;
  responseStatus?: (Omit<Partial<ApiError['status']>, 'metadata'> & { metadata: object }) | undefined;
  requestObject?: JsonValue | undefined;
  responseObject?: JsonValue | undefined;
  requestReceivedTimestamp: string;
  stageTimestamp: string;
  annotations?: Readonly<Record<string, string>> | undefined;
}

/** One line of JSON. Only objects of clients contain numbers that JSON.stringify cannot represent. */
export const eventJson = (event: AuditEvent): string =>
  event.requestObject === undefined && event.responseObject === undefined ? JSON.stringify(event) : stringifyExact(event);

/** One line of text, with a part of the event (`--audit-log-format=legacy`). */
export function eventText(event: AuditEvent): string {
  const { user, impersonatedUser: as, objectRef, responseStatus, sourceIPs = [] } = event;
  const quoted = (text: string): string => JSON.stringify(text);
  const list = (items: readonly string[]): string => items.map(quoted).join(',');
  const { username = '', groups = [] } = user;
  const parts: [name: string, value: string][] = [
    ['id', event.auditID],
    ['stage', event.stage],
    ['ip', sourceIPs[0] ?? '<unknown>'],
    ['method', event.verb],
    ['user', username === '' ? '<none>' : username],
    ['groups', username === '' || groups.length === 0 ? '<none>' : list(groups)],
    ['as', as === undefined ? '<self>' : (as.username ?? '')],
    ['asgroups', as?.groups === undefined ? '<lookup>' : list(as.groups)],
    ['user-agent', event.userAgent ?? ''],
    ['namespace', objectRef?.namespace ?? '<none>'],
    ['uri', event.requestURI],
    ['response', responseStatus === undefined ? '<deferred>' : String(responseStatus.code ?? 0)],
  ];
  return `${event.requestReceivedTimestamp} AUDIT: ${parts.map(([name, value]) => `${name}=${quoted(value)}`).join(' ')}`;
}

/** A time with microseconds. @param ms since the epoch, with a fraction */
export function microTime(ms: number): string {
  const micros = Math.floor((ms - Math.floor(ms)) * 1000);
  return new Date(Math.floor(ms)).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
