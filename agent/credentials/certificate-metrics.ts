/** Metrics of the kubelet's certificates. Source: upstream `pkg/kubelet/certificate/kubelet.go`, `pkg/kubelet/kubelet.go`. */
import { Counter, Gauge, Histogram, type Metric } from 'prom-client';
import type { Clock } from '#client/clock.ts';
import type { CertificateManager } from './certificate-manager.ts';

interface CertificateMetrics {
  failed(): void;
  rotated(ageSeconds: number): void;
  /** Reports the remaining lifetime of the manager's certificate from now on. */
  watch(manager: Pick<CertificateManager, 'current'>, clock: Clock): void;
}

const ttlGauge = (name: string, help: string, watched: { seconds: () => number }): Gauge =>
  new Gauge({
    name,
    help,
    registers: [],
    collect() {
      this.set(watched.seconds());
    },
  });

function watching(): { seconds: () => number; watch: CertificateMetrics['watch'] } {
  const state = {
    seconds: (): number => Number.POSITIVE_INFINITY,
    watch(manager: Pick<CertificateManager, 'current'>, clock: Clock): void {
      state.seconds = () => {
        const current = manager.current();
        return current === undefined ? Number.POSITIVE_INFINITY : Math.trunc((current.notAfterMs - clock.now()) / 1000);
      };
    },
  };
  return state;
}

const clientFailures = new Counter({
  name: 'kubelet_certificate_manager_client_expiration_renew_errors',
  help: 'Counter of certificate renewal errors.',
  registers: [],
});
const serverFailures = new Counter({
  name: 'kubelet_server_expiration_renew_errors',
  help: 'Counter of certificate renewal errors.',
  registers: [],
});
const serverRotations = new Histogram({
  name: 'kubelet_certificate_manager_server_rotation_seconds',
  help: 'Histogram of the number of seconds the previous certificate lived before being rotated.',
  buckets: [60, 3600, 14_400, 86_400, 604_800, 2_592_000, 7_776_000, 15_552_000, 31_104_000, 124_416_000],
  registers: [],
});
const [client, server] = [watching(), watching()];

/** Metrics of the client certificate that the kubelet presents to the API server. */
export const clientMetrics: CertificateMetrics = {
  failed: () => clientFailures.inc(),
  rotated: () => undefined,
  watch: client.watch,
};

/** Metrics of the kubelet's serving certificate. */
export const serverMetrics: CertificateMetrics = {
  failed: () => serverFailures.inc(),
  rotated: (ageSeconds) => serverRotations.observe(ageSeconds),
  watch: server.watch,
};

/** For the kubelet's `/metrics`. */
export const certificateMetrics: readonly Metric[] = [
  clientFailures,
  serverFailures,
  serverRotations,
  ttlGauge(
    'kubelet_certificate_manager_client_ttl_seconds',
    "Gauge of the TTL (time-to-live) of the Kubelet's client certificate. The value is in seconds until certificate expiry (negative if already expired). If client certificate is invalid or unused, the value will be +INF.",
    client,
  ),
  ttlGauge(
    'kubelet_certificate_manager_server_ttl_seconds',
    "Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired). If serving certificate is invalid or unused, the value will be +INF.",
    server,
  ),
];
