/**
 * The manifests of the control plane's static pods, as kubeadm writes them to /etc/kubernetes/manifests. Pure.
 *
 * Source: kubernetes `cmd/kubeadm/app/phases/controlplane/manifests.go`, `volumes.go`, `cmd/kubeadm/app/phases/etcd/local.go`,
 * `cmd/kubeadm/app/util/staticpod/utils.go`.
 */

import { stringify } from 'yaml';
import type { Container, HTTPGetAction, Probe, Volume } from '#api/types.generated.ts';
import type { Worker } from '../config.ts';
import { componentRegistry, componentTag, etcdTag } from '../images/component-images.ts';
import type { ComponentCommand } from './components.ts';
import { pkiFolder } from './pki.ts';

/** The text of a component's manifest. */
export function manifestOf({ name, argv }: ComponentCommand, host: Worker): string {
  const { cpu, memory, annotations, ...special } = details(name, host);
  const command = [name, ...argv.slice(1)];
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...(annotations === undefined ? {} : { annotations }),
        labels: { component: name, tier: 'control-plane' },
        name,
        namespace: 'kube-system',
      },
      spec: {
        containers: [
          {
            command,
            ...(special.env === undefined ? {} : { env: special.env }),
            image: `${componentRegistry}/${name}:${name === 'etcd' ? etcdTag : componentTag}`,
            imagePullPolicy: 'IfNotPresent',
            livenessProbe: probe(special.liveness, { initialDelaySeconds: 10, periodSeconds: 10, failureThreshold: 8 }),
            name,
            ...(special.ports === undefined ? {} : { ports: special.ports }),
            readinessProbe: probe(special.readiness, { periodSeconds: 1, failureThreshold: 3 }),
            resources: { requests: { cpu, ...(memory === undefined ? {} : { memory }) } },
            startupProbe: probe(special.liveness, { initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 240 }),
            volumeMounts: special.mounts.map(({ path, name: volume, readOnly }) => ({
              mountPath: path,
              name: volume,
              ...(readOnly ? { readOnly: true } : {}),
            })),
          },
        ],
        hostNetwork: true,
        priority: 2_000_001_000,
        priorityClassName: 'system-node-critical',
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        volumes: special.mounts.map(({ path, name: volume, type }): Volume => ({ hostPath: { path, type }, name: volume })),
      },
      status: {},
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

interface Mount {
  name: string;
  path: string;
  type: 'DirectoryOrCreate' | 'FileOrCreate';
  readOnly: boolean;
}

interface Details {
  cpu: string;
  memory?: string;
  annotations?: Record<string, string>;
  env?: Container['env'];
  ports?: Container['ports'];
  liveness: HTTPGetAction;
  readiness: HTTPGetAction;
  mounts: readonly Mount[];
}

const folder = (name: string, path: string, readOnly = true): Mount => ({ name, path, type: 'DirectoryOrCreate', readOnly });
const file = (name: string, path: string): Mount => ({ name, path, type: 'FileOrCreate', readOnly: true });
const certificates = [folder('ca-certs', '/etc/ssl/certs'), folder('k8s-certs', pkiFolder)];
const https = (host: string, port: number, path: string): HTTPGetAction => ({ host, path, port, scheme: 'HTTPS' });
const probe = (httpGet: HTTPGetAction, times: Partial<Probe>): Probe => ({ ...times, httpGet, timeoutSeconds: 15 });

function details(name: ComponentCommand['name'], { ip }: Worker): Details {
  switch (name) {
    case 'kube-apiserver':
      return {
        cpu: '250m',
        annotations: { 'kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint': `${ip}:6443` },
        ports: [{ containerPort: 6443, name: 'probe-port', protocol: 'TCP' }],
        liveness: https(ip, 6443, '/livez'),
        readiness: https(ip, 6443, '/readyz'),
        mounts: certificates,
      };
    case 'kube-controller-manager':
      return {
        cpu: '200m',
        ports: [{ containerPort: 10_257, name: 'probe-port', protocol: 'TCP' }],
        liveness: https('127.0.0.1', 10_257, '/healthz'),
        readiness: https('127.0.0.1', 10_257, '/healthz'),
        mounts: [...certificates, file('kubeconfig', '/etc/kubernetes/controller-manager.conf')],
      };
    case 'kube-scheduler':
      return {
        cpu: '100m',
        ports: [{ containerPort: 10_259, name: 'probe-port', protocol: 'TCP' }],
        liveness: https('127.0.0.1', 10_259, '/livez'),
        readiness: https('127.0.0.1', 10_259, '/readyz'),
        mounts: [file('kubeconfig', '/etc/kubernetes/scheduler.conf')],
      };
    case 'etcd': {
      const health: HTTPGetAction = { host: '127.0.0.1', path: '/health', port: 2381, scheme: 'HTTP' };
      return {
        cpu: '100m',
        memory: '100Mi',
        annotations: { 'kubeadm.kubernetes.io/etcd.advertise-client-urls': `https://${ip}:2379` },
        // So that `kubectl exec … etcdctl get / --prefix --keys-only` needs no more flags.
        env: [
          { name: 'ETCDCTL_API', value: '3' },
          { name: 'ETCDCTL_ENDPOINTS', value: 'https://127.0.0.1:2379' },
          { name: 'ETCDCTL_CACERT', value: `${pkiFolder}/etcd/ca.crt` },
          { name: 'ETCDCTL_CERT', value: `${pkiFolder}/etcd/healthcheck-client.crt` },
          { name: 'ETCDCTL_KEY', value: `${pkiFolder}/etcd/healthcheck-client.key` },
        ],
        ports: [{ containerPort: 2381, name: 'probe-port', protocol: 'TCP' }],
        liveness: health,
        readiness: health,
        mounts: [folder('etcd-data', '/var/lib/etcd', false), folder('etcd-certs', `${pkiFolder}/etcd`, false)],
      };
    }
  }
}
