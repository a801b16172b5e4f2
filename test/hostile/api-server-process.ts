/**
 * The program of the process that `api-server.ts` starts: an API server with its listener, which reports how long its event loop
 * was blocked.
 */

import { startTestServer } from '#control/apiserver/api-server.testing.ts';
import { listen } from '#control/apiserver/serving/listener.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import type { ProcessReport, ProcessStarted } from './api-server.ts';

const nowMs = Date.now();
const ca = await createAuthority(nowMs);
const serving = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, nowMs);
const issue = (commonName: string, organizations: string[]) =>
  issueCertificate(ca, { commonName, organizations, usage: 'client' }, nowMs);
const api = await startTestServer({ freezeCached: false });
await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'default' },
});
const listener = await listen(
  api.server,
  { host: '127.0.0.1', port: 0, certificate: serving.certificate, key: serving.key, clientCa: ca.certificate, graceMs: 500 },
  silentLog,
);
const stop = new AbortController();
const running = listener.run(stop.signal);

// CPU time of this thread: time that other processes take does not count.
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let [last, longestMs, peakBytes] = [cpuMs(), 0, 0];
setInterval(() => {
  const now = cpuMs();
  longestMs = Math.max(longestMs, now - last);
  last = now;
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
}, 5);

// A test that was killed must not leave this process behind.
process.on('disconnect', () => process.exit());
process.on('message', (wanted) => {
  if (wanted === 'stop') {
    stop.abort();
    void running.then(() => api.stop()).then(() => process.exit(0));
    return;
  }
  if (wanted === 'collect') {
    globalThis.gc?.();
    // Do not count the requested garbage collection in the next measurement.
    last = cpuMs();
  }
  const { rss: rssBytes, heapUsed: heapBytes } = process.memoryUsage();
  const report: ProcessReport = { longestMs, peakBytes, rssBytes, heapBytes };
  [longestMs, peakBytes] = [0, 0];
  process.send?.(report);
});
const started: ProcessStarted = {
  port: listener.port,
  ca: ca.certificate,
  admin: await issue('kubernetes-admin', ['system:masters']),
  user: await issue('jane', ['dev']),
};
process.send?.(started);
