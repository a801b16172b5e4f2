/**
 * Reads what a kubelet says at `/metrics/resource`, a line at a time, so that neither a large answer nor an odd one costs more than its
 * bytes.
 *
 * Source: metrics-server `pkg/scraper/client/resource/decode.go`; Prometheus' text format 0.0.4.
 */

/** What was used up to one moment. */
export interface UsagePoint {
  /** Milliseconds since 1970. */
  timeMs: number;
  /** CPU time since the start, in nanoseconds; 0 where the kubelet does not tell. */
  cpuNs: number;
  /** The working set; 0 where the kubelet does not tell. */
  memoryBytes: number;
  /** When the container started, in milliseconds since 1970; undefined for nodes, and where the kubelet does not tell. */
  startedMs?: number;
}

/** One answer of one kubelet. */
export interface NodeUsage {
  node: UsagePoint | undefined;
  /** By `namespace/name` of the pod, then by container. */
  pods: Map<string, Map<string, UsagePoint>>;
}

/** Longer lines are none of these metrics; a name and a namespace have 253 bytes each. */
const maxLineBytes = 4096;
/** No node runs as many. */
const maxContainers = 20_000;
/** The last moment that RFC 3339 can write. */
const maxTimeMs = Date.UTC(9999, 11, 31);

const samplePattern = /^([a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (-?\d+))?$/;
const labelPattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g;

/** Gathers the samples of one answer. */
export class UsageReader {
  readonly #nowMs: number;
  readonly #usage: NodeUsage = { node: undefined, pods: new Map() };
  #containers = 0;
  #rest: Buffer = Buffer.alloc(0);
  /** Within a line that is too long: all of it is passed over. */
  #skips = false;

  /** @param nowMs the time of samples that have none */
  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** The next bytes, cut anywhere. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const part = chunk.subarray(from, end);
      if (!this.#skips && this.#rest.length + part.length <= maxLineBytes) this.#line(Buffer.concat([this.#rest, part]));
      this.#rest = Buffer.alloc(0);
      this.#skips = false;
      from = end + 1;
    }
    const rest = chunk.subarray(from);
    if (this.#skips || this.#rest.length + rest.length > maxLineBytes) {
      this.#skips = true;
      this.#rest = Buffer.alloc(0);
    } else if (rest.length > 0) this.#rest = Buffer.concat([this.#rest, rest]);
  }

  /** All that has been read; a last line without an end was cut off. */
  end(): NodeUsage {
    return this.#usage;
  }

  #line(bytes: Buffer): void {
    if (bytes.length === 0 || bytes[0] === 35) return;
    const match = samplePattern.exec(bytes.toString('utf8').trimEnd());
    if (match === null) return;
    const [, name = '', labels = '', text = '', time] = match;
    const value = Number(text);
    const timeMs = time === undefined ? this.#nowMs : Number(time);
    if (!Number.isFinite(value) || value < 0 || !(timeMs >= 0 && timeMs <= maxTimeMs)) return;
    switch (name) {
      case 'node_cpu_usage_seconds_total':
        Object.assign(this.#node(), { timeMs, cpuNs: value * 1e9 });
        return;
      case 'node_memory_working_set_bytes':
        Object.assign(this.#node(), { timeMs, memoryBytes: value });
        return;
      case 'container_cpu_usage_seconds_total':
        this.#container(labels, { timeMs, cpuNs: value * 1e9 });
        return;
      case 'container_memory_working_set_bytes':
        this.#container(labels, { timeMs, memoryBytes: value });
        return;
      case 'container_start_time_seconds':
        if (value * 1000 <= maxTimeMs) this.#container(labels, { startedMs: value * 1000 });
        return;
      default:
    }
  }

  #node(): UsagePoint {
    this.#usage.node ??= { timeMs: this.#nowMs, cpuNs: 0, memoryBytes: 0 };
    return this.#usage.node;
  }

  #container(text: string, said: Partial<UsagePoint>): void {
    const labels = labelsOf(text);
    const [namespace, pod, container] = [labels.get('namespace'), labels.get('pod'), labels.get('container')];
    if (namespace === undefined || pod === undefined || container === undefined) return;
    const key = `${namespace}/${pod}`;
    let points = this.#usage.pods.get(key);
    if (points?.has(container) !== true && this.#containers >= maxContainers) return;
    if (points === undefined) this.#usage.pods.set(key, (points = new Map()));
    let point = points.get(container);
    if (point === undefined) {
      points.set(container, (point = { timeMs: this.#nowMs, cpuNs: 0, memoryBytes: 0 }));
      this.#containers += 1;
    }
    Object.assign(point, said);
  }
}

function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(labelPattern))
    labels.set(
      name,
      value.replace(/\\(.)/g, (_all, letter: string) => (letter === 'n' ? '\n' : letter)),
    );
  return labels;
}
