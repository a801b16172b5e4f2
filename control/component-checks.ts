/** How kube-apiserver looks at the other components: it asks their health endpoints on this machine, as upstream does. */
import { request } from 'node:https';
import type { ComponentCheck, ComponentChecks } from './apiserver/kinds/core/componentstatus/component-checks.ts';

/** Source: kubernetes `pkg/registry/core/rest/storage_core.go` (componentStatusStorage): these ports, any certificate. */
const ports: Readonly<Record<string, number>> = { 'controller-manager': 10_257, scheduler: 10_259 };
const timeoutMs = 20_000;

/** Adds the checks of controller manager and scheduler. */
export function addComponentChecks(components: ComponentChecks): void {
  for (const [name, port] of Object.entries(ports)) components.add(name, healthz(port));
}

const healthz =
  (port: number): ComponentCheck =>
  () =>
    new Promise((resolve) => {
      const asked = request(
        { host: '127.0.0.1', port, path: '/healthz', rejectUnauthorized: false, timeout: timeoutMs, agent: false },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode === 200 ? undefined : `HTTP probe failed with statuscode: ${answer.statusCode ?? 0}`);
        },
      );
      asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.once('error', (error) =>
        resolve(`Get "https://127.0.0.1:${port}/healthz": dial tcp 127.0.0.1:${port}: ${refusedText(error)}`),
      );
      asked.end();
    });

const refusedText = (error: Error): string =>
  (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message;
