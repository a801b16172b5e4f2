/**
 * Measures reads of the API server within one process: GETs and lists per second, one at a time and 64 at once. Each read is
 * consistent, so it asks the store for its newest revision.
 */
import { startTestServer } from '#control/apiserver/api-server.testing.ts';

const seconds = 2;
const objects = 100;
const path = '/api/v1/namespaces/default/configmaps';
const server = await startTestServer({ freezeCached: false });
for (let index = 0; index < objects; index++) {
  await server.request('POST', path, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `map-${index}` },
    data: { text: 'x'.repeat(200) },
  });
}

interface Rate {
  perSecond: number;
  /** CPU time of this process. It is more reliable than the rate when other processes use the machine. */
  cpuMicros: number;
}

async function rateOf(url: string, atOnce: number): Promise<Rate> {
  const before = process.cpuUsage();
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let done = 0;
  const read = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const { status } = await server.request('GET', url);
      if (status !== 200) throw new Error(`GET ${url}: ${status}`);
      done++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, read));
  const { user, system } = process.cpuUsage(before);
  return { perSecond: done / ((performance.now() - startMs) / 1000), cpuMicros: (user + system) / done };
}

for (const [what, url] of [
  ['GET', `${path}/map-7`],
  [`list of ${objects}`, path],
] as const) {
  for (const atOnce of [1, 64]) {
    await rateOf(url, atOnce);
    const rates: Rate[] = [];
    for (let round = 0; round < 3; round++) rates.push(await rateOf(url, atOnce));
    const perSecond = Math.max(...rates.map((rate) => rate.perSecond));
    const cpuMicros = Math.min(...rates.map((rate) => rate.cpuMicros));
    console.log(`${what}, ${atOnce} at once: ${Math.round(perSecond)} a second, ${cpuMicros.toFixed(1)} µs CPU each`);
  }
}
await server.stop();
