import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import express from 'express';
import { withDefaults } from '../options.ts';
import { kubeletConfiguration } from './configz.ts';
import { sendNodeLogs } from './node-logs.ts';
import { renderResourceMetrics } from './resource-metrics.ts';

describe('the log folder of a node', () => {
  const root = mkdtempSync(join(tmpdir(), 'logs-'));
  let server: Server;
  before(async () => {
    mkdirSync(join(root, 'log/pods'), { recursive: true });
    writeFileSync(join(root, 'secret'), 'secret');
    writeFileSync(join(root, 'log/a.log'), 'lines\n');
    writeFileSync(join(root, 'log/<b>&"c'), 'odd');
    writeFileSync(join(root, 'log/pods/0.log'), '');
    symlinkSync('../secret', join(root, 'log/link'));
    symlinkSync('..', join(root, 'log/up'));
    symlinkSync('/dev/zero', join(root, 'log/zero'));
    execFileSync('mkfifo', [join(root, 'log/fifo')]);
    const app = express();
    app.get(/^\/logs(?:\/|$)/, (request, response) =>
      sendNodeLogs(join(root, 'log'), decodeURIComponent(request.path).slice(5), request, response),
    );
    server = createServer(app);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(root, { recursive: true });
  });
  const get = async (path: string): Promise<[number, string, string | null]> => {
    const { port } = server.address() as { port: number };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' });
    return [answer.status, await answer.text(), answer.headers.get('location')];
  };

  it('is listed, with what its names mean in HTML', async () => {
    const [status, text] = await get('/logs/');
    assert.equal(status, 200);
    assert.match(text, /<a href="a\.log">a\.log<\/a>\n/);
    assert.match(text, /<a href="pods\/">pods\/<\/a>\n/);
    assert.match(text, /<a href="%3Cb%3E%26%22c">&lt;b&gt;&amp;&#34;c<\/a>\n/);
  });
  const cases: [string, number, string | undefined][] = [
    ['/logs/a.log', 200, 'lines\n'],
    ['/logs/%3Cb%3E%26%22c', 200, 'odd'],
    ['/logs/pods/0.log', 200, ''],
    ['/logs/none', 404, undefined],
    ['/logs/a.log/x', 404, undefined],
    ['/logs/link', 404, undefined],
    ['/logs/up/secret', 404, undefined],
    ['/logs/..%2fsecret', 404, undefined],
    ['/logs/zero', 404, undefined],
    ['/logs/fifo', 404, undefined],
  ];
  for (const [path, status, text] of cases)
    it(`gives ${status} for ${path}`, async () => {
      const [found, body] = await get(path);
      assert.equal(found, status);
      if (text !== undefined) assert.equal(body, text);
    });
  it('sends to the folder itself', async () => {
    assert.deepEqual((await get('/logs')).slice(0, 3), [301, '', 'logs/']);
    assert.deepEqual((await get('/logs/pods')).slice(0, 3), [301, '', 'pods/']);
  });
});

describe('resource metrics', () => {
  const time = '2026-01-01T00:00:01Z';
  it('show node, pods and containers, each with its time', () => {
    const usage = { cpu: { time, usageCoreNanoSeconds: 1_500_000_000 }, memory: { time, workingSetBytes: 42 } };
    const text = renderResourceMetrics({
      node: usage,
      pods: [{ podRef: { name: 'p', namespace: 'ns' }, ...usage, containers: [{ name: 'c', startTime: time, ...usage }] }],
    });
    const at = Date.parse(time);
    for (const line of [
      '# TYPE node_cpu_usage_seconds_total counter',
      `node_cpu_usage_seconds_total 1.5 ${at}`,
      `pod_memory_working_set_bytes{namespace="ns",pod="p"} 42 ${at}`,
      `container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 1.5 ${at}`,
      `container_start_time_seconds{container="c",namespace="ns",pod="p"} ${at / 1000}`,
      'resource_scrape_error 0',
    ])
      assert.ok(text.split('\n').includes(line), line);
  });
  it('tell that they could not be read', () =>
    assert.match(renderResourceMetrics(undefined), /^# HELP[^\n]*\n# TYPE[^\n]*\nresource_scrape_error 1\n$/));
});

it('the configuration is that of the options', () => {
  const certificate = { current: () => ({ certificate: 'c', key: 'SECRET' }), onChange: () => undefined };
  const serving = { certificate, clientCa: 'ca' };
  const config = kubeletConfiguration(
    withDefaults({ nodeName: 'n', nodeIps: [], serving, clusterDns: ['10.96.0.10'], maxPods: 7 }),
  );
  const { kind, maxPods, clusterDNS, nodeStatusReportFrequency, syncFrequency } = config as Record<string, unknown>;
  assert.deepEqual(
    [kind, maxPods, clusterDNS, nodeStatusReportFrequency, syncFrequency],
    ['KubeletConfiguration', 7, ['10.96.0.10'], '5m0s', '1m0s'],
  );
  assert.doesNotMatch(JSON.stringify(config), /SECRET/);
});
