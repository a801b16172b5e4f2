import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageReader } from './exposition.ts';

const text = `# HELP container_cpu_usage_seconds_total [STABLE] x
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="c",namespace="ns",pod="web"} 1.5 1700000000123
container_memory_working_set_bytes{container="c",namespace="ns",pod="web"} 1.048576e+06 1700000000123
container_start_time_seconds{container="c",namespace="ns",pod="web"} 1.699999e+09
node_cpu_usage_seconds_total 12.25 1700000000200
node_memory_working_set_bytes 2048 1700000000200
pod_cpu_usage_seconds_total{namespace="ns",pod="web"} 2 1700000000123
resource_scrape_error 0
`;

const read = (chunks: readonly (string | Uint8Array)[], nowMs = 5) => {
  const reader = new UsageReader(nowMs);
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  const { node, pods } = reader.end();
  return { node, pods: [...pods].map(([pod, containers]) => [pod, Object.fromEntries(containers)] as const) };
};
const expected = {
  node: { timeMs: 1_700_000_000_200, cpuNs: 12.25e9, memoryBytes: 2048 },
  pods: [['ns/web', { c: { timeMs: 1_700_000_000_123, cpuNs: 1.5e9, memoryBytes: 1_048_576, startedMs: 1_699_999_000_000 } }]],
};

describe('what a kubelet says of resources', () => {
  it('is read, however it is cut', () => {
    assert.deepEqual(read([text]), expected);
    for (const size of [1, 7, 64])
      assert.deepEqual(read(text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []), expected, `${size}`);
  });

  it('has the time of the answer where it has none of its own', () =>
    assert.deepEqual(read(['node_cpu_usage_seconds_total 1\n']).node, { timeMs: 5, cpuNs: 1e9, memoryBytes: 0 }));

  it('may have names of any characters', () => {
    const line = 'container_cpu_usage_seconds_total{pod="a,\\"b\\\\",namespace="n\\ns",container="c"} 1 1\n';
    assert.deepEqual(read([line]).pods[0]?.[0], 'n\ns/a,"b\\');
  });

  const odd: [string, string][] = [
    ['no number', 'node_cpu_usage_seconds_total x 1\n'],
    ['not a number', 'node_cpu_usage_seconds_total NaN 1\n'],
    ['infinite', 'node_cpu_usage_seconds_total +Inf 1\n'],
    ['negative', 'node_cpu_usage_seconds_total -1 1\n'],
    ['a time that no date can have', 'node_cpu_usage_seconds_total 1 99999999999999999999\n'],
    ['a time before 1970', 'node_cpu_usage_seconds_total 1 -1\n'],
    ['cut off', 'node_cpu_usage_seconds_total 1'],
    ['no metric', '{}}{ "\n\n\0\n'],
    ['a line that is too long', `node_cpu_usage_seconds_total ${' '.repeat(5000)}1\n`],
  ];
  for (const [name, line] of odd)
    it(`is left out where it is ${name}, and what follows is read`, () => {
      assert.equal(read([line]).node, undefined);
      assert.deepEqual(read([line.endsWith('\n') ? line : `${line} x\n`, text]), expected);
    });
});
