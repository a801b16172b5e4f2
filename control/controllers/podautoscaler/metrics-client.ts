/**
 * Reads an autoscaler's metrics from the resource, custom and external metrics APIs.
 *
 * Source: kubernetes `pkg/controller/podautoscaler/metrics/client.go`; k8s.io/metrics `pkg/client`.
 */

import { parseDuration } from '#api/duration.ts';
import { errorText } from '#api/error-text.ts';
import type { JsonObject } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { CrossVersionObjectReference } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { milliValue } from './milli-values.ts';
import type { PodMetric, PodMetrics } from './replica-calculator.ts';

/**
 * Reads metrics through the APIs metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io. @throws (its methods) Error
 * when they are not served
 */
export interface MetricsClient {
  /** @param container of each pod; '': all of them @throws Error in upstream's words */
  resource(resource: string, namespace: string, selector: string, container: string): Promise<PodMetrics>;
  pods(metric: string, namespace: string, selector: string, metricSelector: string): Promise<PodMetrics>;
  object(metric: string, namespace: string, of: CrossVersionObjectReference, metricSelector: string): Promise<bigint>;
  external(metric: string, namespace: string, metricSelector: string): Promise<readonly bigint[]>;
}

/** Limit of a response in bytes. */
const maxBodyBytes = 64 << 20;
/** Window of metrics that do not name one: metrics-server's. */
const defaultWindowMs = 60_000;

interface MetricValue {
  describedObject?: { name?: string };
  timestamp?: string;
  windowSeconds?: number;
  value?: string;
}

interface PodMetricsItem {
  metadata?: { name?: string };
  timestamp?: string;
  window?: string;
  containers?: { name?: string; usage?: Record<string, string> }[];
}

/** Makes the client. Responses come from other servers, so their shape is checked. */
export function createMetricsClient(client: Pick<Client, 'raw'>, catalog: ResourceCatalog): MetricsClient {
  const read = async (what: string, path: string, named: string): Promise<JsonObject> => {
    try {
      return await getJson(client, path, named);
    } catch (error) {
      throw new Error(`unable to fetch metrics from ${what} metrics API: ${errorText(error)}`, { cause: error });
    }
  };
  const items = async <T>(what: string, path: string, named: string): Promise<T[]> => {
    const found = (await read(what, path, named))['items'];
    if (!Array.isArray(found) || found.length === 0) throw new Error(`no metrics returned from ${what} metrics API`);
    return found.filter((one) => typeof one === 'object' && one !== null) as T[];
  };
  const customVersion = async (): Promise<string> => {
    const { status, text } = await get(client, '/apis/custom.metrics.k8s.io');
    const versions = status === 200 ? ((JSON.parse(text) as { versions?: { version?: string }[] }).versions ?? []) : [];
    const found = ['v1beta2', 'v1beta1'].find((wanted) => versions.some(({ version }) => version === wanted));
    if (found !== undefined) return found;
    throw new Error('unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered');
  };
  return {
    async resource(resource, namespace, selector, container) {
      const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods${query({ labelSelector: selector })}`;
      const found = await items<PodMetricsItem>('resource', path, 'get pods.metrics.k8s.io');
      return new Map<string, PodMetric>(
        found.flatMap((item): [string, PodMetric][] => [podMetric(item, resource, container)].filter((one) => one !== undefined)),
      );
    },
    async pods(metric, namespace, selector, metricSelector) {
      const base = `/apis/custom.metrics.k8s.io/${await customVersion()}/namespaces/${namespace}`;
      const path = `${base}/pods/*/${encodeURIComponent(metric)}${query({ labelSelector: selector, metricLabelSelector: metricSelector })}`;
      const found = await items<MetricValue>('custom', path, `get pods.custom.metrics.k8s.io *`);
      return new Map(
        found.map(({ describedObject, timestamp, windowSeconds, value }): [string, PodMetric] => [
          describedObject?.name ?? '',
          {
            value: milliValue(value ?? '0'),
            timestampMs: Date.parse(timestamp ?? ''),
            windowMs: windowSeconds === undefined ? defaultWindowMs : windowSeconds * 1000,
          },
        ]),
      );
    },
    async object(metric, namespace, { apiVersion = '', kind, name }, metricSelector) {
      const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
      const row = catalog.all().find((one) => one.kind === kind && one.group === group);
      if (row === undefined)
        throw new Error(
          `unable to fetch metrics from custom metrics API: unable to map kind ${kind}${group === '' ? '' : `.${group}`} to resource: no matches for kind "${kind}" in group "${group}"`,
        );
      const base = `/apis/custom.metrics.k8s.io/${await customVersion()}/namespaces/${namespace}`;
      const resource = group === '' ? row.plural : `${row.plural}.${group}`;
      const at = kind === 'Namespace' && group === '' ? 'metrics' : `${resource}/${encodeURIComponent(name)}`;
      const path = `${base}/${at}/${encodeURIComponent(metric)}${query({ metricLabelSelector: metricSelector })}`;
      const [found] = await items<MetricValue>('custom', path, `get ${resource}.custom.metrics.k8s.io ${name}`);
      return milliValue(found?.value ?? '0');
    },
    async external(metric, namespace, metricSelector) {
      const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${encodeURIComponent(metric)}${query({ labelSelector: metricSelector })}`;
      const found = await items<MetricValue>('external', path, `get ${metric}.external.metrics.k8s.io`);
      return found.map(({ value }) => milliValue(value ?? '0'));
    },
  };
}

/** Undefined: the pod has no such metric. */
function podMetric(
  { metadata, timestamp, window, containers = [] }: PodMetricsItem,
  resource: string,
  container: string,
): [string, PodMetric] | undefined {
  const wanted = container === '' ? containers : containers.filter(({ name }) => name === container).slice(0, 1);
  const values = wanted.map(({ usage }) => ownValue(usage ?? {}, resource));
  if (metadata?.name === undefined || values.length === 0 || values.includes(undefined)) return undefined;
  const value = values.reduce((sum: bigint, one) => sum + milliValue(one ?? '0'), 0n);
  return [metadata.name, { value, timestampMs: Date.parse(timestamp ?? ''), windowMs: parseDuration(window ?? '0') }];
}

function query(parameters: Readonly<Record<string, string>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

async function getJson(client: Pick<Client, 'raw'>, path: string, named: string): Promise<JsonObject> {
  const { status, text } = await get(client, path);
  if (status === 200) return JSON.parse(text) as JsonObject;
  if (text.startsWith('{')) {
    const { message } = JSON.parse(text) as { message?: unknown };
    if (typeof message === 'string') throw new Error(message);
  }
  if (status === 404) throw new Error(`the server could not find the requested resource (${named})`);
  throw new Error(
    `an error on the server (${JSON.stringify(text.slice(0, 200))}) has prevented the request from succeeding (${named})`,
  );
}

async function get(client: Pick<Client, 'raw'>, path: string): Promise<{ status: number; text: string }> {
  const { status, body } = await client.raw({ method: 'GET', path, headers: { accept: 'application/json' } });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Error(`the answer is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return { status, text: Buffer.concat(chunks).toString('utf8') };
}
