/**
 * The interface of audit backends. Events that a backend cannot take are dropped, counted and logged, so that memory stays bounded.
 *
 * Source: apiserver `pkg/audit/types.go`, `metrics.go`, `union.go`; `plugin/pkg/audit/{buffered,truncate}`.
 */
import { Counter, type Registry } from 'prom-client';
import { type CounterSeries, LeanCounter } from '../serving/lean-metrics.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type AuditEvent, eventJson } from './audit-event.ts';

/** An event and its line of JSON, which is made once for all backends. */
export interface AuditRecord {
  event: AuditEvent;
  json: string;
}

/** A receiver of events. */
export interface AuditBackend {
  /**
   * Resolves when the event is accepted: after it is written in blocking modes, at once otherwise. False: it was dropped, which has been
   * counted and logged. Never rejects.
   */
  take(record: AuditRecord): boolean | Promise<boolean>;
  /** Writes the events that are still waiting. */
  close(): Promise<void>;
}

/** The mode of a backend. `blocking-strict`: a request is refused if its RequestReceived event cannot be written. */
export type AuditMode = 'batch' | 'blocking' | 'blocking-strict';

/** The metrics and logs of audit. */
export class AuditMonitor {
  readonly #events: CounterSeries;
  readonly #errors: Counter<'plugin'>;
  readonly #levels: LeanCounter;
  readonly #rejected: Counter;
  readonly #log: ServerLog;
  /** For each plugin: when dropped events were last logged, and how many were dropped since. */
  readonly #told = new Map<string, { atMs: number; lost: number }>();
  readonly #nowMs: () => number;

  constructor(registry: Registry, log: ServerLog, nowMs: () => number) {
    const registers = [registry];
    this.#log = log;
    this.#nowMs = nowMs;
    this.#events = new LeanCounter({
      name: 'apiserver_audit_event_total',
      help: 'Counter of audit events generated and sent to the audit backend.',
      registers,
    }).series();
    this.#errors = new Counter({
      name: 'apiserver_audit_error_total',
      help: 'Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.',
      labelNames: ['plugin'],
      registers,
    });
    this.#levels = new LeanCounter({
      name: 'apiserver_audit_level_total',
      help: 'Counter of policy levels for audit events (1 per request).',
      labelNames: ['level'],
      registers,
    });
    this.#rejected = new Counter({
      name: 'apiserver_audit_requests_rejected_total',
      help: 'Counter of apiserver requests rejected due to an error in audit logging backend.',
      registers,
    });
  }

  event(): void {
    this.#events.inc();
  }

  level(level: string): void {
    this.#levels.series(level).inc();
  }

  rejected(): void {
    this.#rejected.inc();
  }

  /** Counts dropped events, and logs them at most every ten seconds, without their content. */
  lost(plugin: string, events: number, why: string): void {
    this.#errors.inc({ plugin }, events);
    const nowMs = this.#nowMs();
    const told = this.#told.get(plugin) ?? { atMs: Number.NEGATIVE_INFINITY, lost: 0 };
    told.lost += events;
    if (nowMs - told.atMs >= 10_000) {
      this.#log.error({ plugin, events: told.lost, reason: why }, 'audit events are lost');
      told.atMs = nowMs;
      told.lost = 0;
    }
    this.#told.set(plugin, told);
  }
}

/** All backends get each event. */
export const unionBackend = (backends: readonly AuditBackend[]): AuditBackend => ({
  take(record) {
    const taken = backends.map((backend) => backend.take(record));
    if (taken.every((one) => typeof one === 'boolean')) return taken.every((one) => one);
    return Promise.all(taken.map(async (one) => await one)).then((all) => all.every((one) => one));
  },
  async close() {
    await Promise.all(backends.map((backend) => backend.close()));
  },
});

/** Removes request and response from an event that is too large. If it is still too large, drops the event. @param maxBytes of one event */
export const truncatingBackend = (backend: AuditBackend, maxBytes: number, monitor: AuditMonitor): AuditBackend => ({
  take(record) {
    if (Buffer.byteLength(record.json) <= maxBytes) return backend.take(record);
    const { requestObject: _request, responseObject: _response, annotations, ...rest } = record.event;
    const event: AuditEvent = { ...rest, annotations: { ...annotations, 'audit.k8s.io/truncated': 'true' } };
    const json = eventJson(event);
    if (Buffer.byteLength(json) <= maxBytes) return backend.take({ event, json });
    monitor.lost('truncate', 1, 'event is too large even after truncating');
    return false;
  },
  close: () => backend.close(),
});
