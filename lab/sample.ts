/** The sample application: applies it with kubectl, and sends requests as its users would. */
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Exec } from '#agent/host/exec.ts';
import type { Lab } from './config.ts';
import { kubectlPath } from './kubectl.ts';
import { until } from './until.ts';

const manifest = fileURLToPath(new URL('./samples/web.yaml', import.meta.url));
const nodePort = 30080;
/** Time to wait for an answer of a pod that has not answered yet. */
const newPodPatienceMs = 10_000;

/** One answer of the sample. */
export interface SampleAnswer {
  /** How the request was sent: `ClusterIP 10.96.1.2:80, from pod web-…`. */
  via: string;
  answer: string;
}

/** Runs kubectl against the lab. Resolves to standard output. @throws ExecError */
export async function kubectl(lab: Lab, exec: Exec, args: readonly string[], timeoutMs = 120_000): Promise<string> {
  const { stdout } = await exec([kubectlPath(), `--kubeconfig=${lab.kubeconfig}`, ...args], { timeoutMs });
  return stdout;
}

/** Applies the sample and waits until it is available. @throws ExecError */
export async function applySample(lab: Lab, exec: Exec): Promise<void> {
  await kubectl(lab, exec, ['apply', '-f', manifest]);
  await kubectl(lab, exec, ['rollout', 'status', 'deployment/web', '--timeout=90s']);
}

/**
 * Sends one request to the ClusterIP from a pod, and one to the NodePort of each node from the host. The rules choose an endpoint
 * at random, so a request is repeated until a pod answers that has not answered yet, as long as there is one.
 */
export async function askSample(lab: Lab, exec: Exec): Promise<SampleAnswer[]> {
  const clusterIp = await kubectl(lab, exec, ['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  const pod = (await kubectl(lab, exec, ['get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[0].metadata.name}'])).trim();
  const seen = new Set<string>();
  const fromPod = await askForNewPod(seen, () => kubectl(lab, exec, ['exec', pod, '--', 'wget', '-qO-', `http://${clusterIp}/`]));
  const answers = [{ via: `ClusterIP ${clusterIp}:80, asked from pod ${pod}`, answer: fromPod }];
  for (const { name, ip } of lab.hosts) {
    const answer = await askForNewPod(seen, async () =>
      (await fetch(`http://${ip}:${nodePort}/`, { signal: AbortSignal.timeout(5000) })).text(),
    );
    answers.push({ via: `NodePort ${ip}:${nodePort} of ${name}, asked from the host`, answer });
  }
  return answers;
}

async function askForNewPod(seen: Set<string>, ask: () => Promise<string>): Promise<string> {
  // A node's rules follow the endpoints within a second or two. Until then a request may fail, or reach only one pod.
  const deadline = Date.now() + newPodPatienceMs;
  for (;;) {
    const answer = (await until('the Service answers', ask, { timeoutMs: 20_000 })).trim();
    const name = /^Hello from (\S+)/.exec(answer)?.[1] ?? answer;
    const isNew = !seen.has(name);
    seen.add(name);
    if (isNew || Date.now() > deadline) return answer;
    await delay(100);
  }
}
