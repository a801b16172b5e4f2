/** The background work of the aggregation layer: the APIServices of our own groups, and the availability of others. */
import type { Logger } from 'pino';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { runControllerSet } from '#client/controller-runner.ts';
import type { Informers } from '#client/informers.ts';
import type { ApiServer } from '../api-server.ts';
import type { Aggregation } from './aggregation.ts';
import { AggregatorMetrics } from './aggregator-metrics.ts';
import { keepRegistered } from './auto-registration.ts';
import { availabilityController } from './availability-controller.ts';
import { discoveryCheck } from './discovery-check.ts';

/** What running it needs. */
export interface RunAggregationDeps {
  aggregation: Aggregation;
  server: ApiServer;
  /** Of the API server itself. */
  client: Client;
  informers: Informers;
  clock: Clock;
  log: Logger;
}

/** Runs until `signal` aborts. */
export async function runAggregation(
  { aggregation, server, client, informers, clock, log }: RunAggregationDeps,
  signal: AbortSignal,
): Promise<void> {
  const metrics = new AggregatorMetrics();
  for (const metric of metrics.all) server.metrics.registry.registerMetric(metric);
  const check = discoveryCheck(aggregation.servers, server.registry);
  const availability = availabilityController({ client, caches: informers, clock, metrics, check });
  await Promise.all([
    runControllerSet([availability], { informers, clock, log }, signal),
    keepRegistered({ client, informers, catalog: server.resources, clock, log }, signal),
  ]);
}
