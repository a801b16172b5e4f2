import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { New } from '#api/meta.ts';
import type { Job } from '#api/types.generated.ts';
import { startWorld, type World } from '../cluster.testing.ts';
import { ControllerMonitors } from './index.ts';

const namespace = 'default';

describe('metrics of controllers', () => {
  let world: World;
  const monitors = new ControllerMonitors(['10.244.0.0/16']);
  before(async () => {
    world = await startWorld({ monitors, clusterCidr: '10.244.0.0/16', rootCaPem: 'PEM' });
    await world.addNode('n1', { 'topology.kubernetes.io/zone': 'a' });
  });
  after(() => world.stop());

  /** Samples of a metric, `label=value,… number`. Of histograms the counts. */
  const samples = async (name: string): Promise<string[]> => {
    const metric = monitors.metrics.find((one) => (one as { name?: string }).name === name);
    assert.ok(metric !== undefined, name);
    const { values } = await metric.get();
    const isHistogram = values.some(({ labels }) => 'le' in labels);
    return values
      .filter((value) => !isHistogram || (value as { metricName?: string }).metricName?.endsWith('_count') === true)
      .map(({ labels, value }) => [...Object.entries(labels).map(([key, text]) => `${key}=${text}`), value].join(' '));
  };
  const job = (name: string, spec: Partial<Job['spec']>): New<Job> => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, namespace },
    spec: {
      ...spec,
      template: {
        metadata: { labels: { job: name } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] },
      },
    },
  });

  it('bear names of their own, and each only once', () => {
    const names = monitors.metrics.map((one) => (one as { name?: string }).name);
    assert.deepEqual(names, [...new Set(names)]);
    assert.ok(names.every((name) => name !== undefined && /^[a-z_]+$/.test(name)));
  });

  it('tell of queues and of what runs', async () => {
    const running = await samples('running_managed_controllers');
    assert.ok(running.includes('name=replicaset-controller manager=kube-controller-manager 1'), running.join());
    const before = await samples('workqueue_adds_total');
    await world.client.resource('replicasets.apps').create({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    await world.pass(5);
    const adds = (all: readonly string[]): number => Number(all.find((one) => one.startsWith('name=replicaset '))?.split(' ')[1]);
    assert.ok(adds(await samples('workqueue_adds_total')) > adds(before));
    for (const name of ['workqueue_queue_duration_seconds', 'workqueue_work_duration_seconds'])
      assert.ok(
        (await samples(name)).some((one) => one.startsWith('name=replicaset ')),
        name,
      );
    assert.ok((await samples('workqueue_depth')).includes('name=replicaset 0'));
    assert.ok((await samples('workqueue_unfinished_work_seconds')).includes('name=replicaset 0'));
    // The ages of its pods when it gives two of them up.
    const sets = world.client.resource('replicasets.apps');
    const set = await sets.get({ namespace, name: 'web' });
    await sets.update({ ...set, spec: { ...set.spec, replicas: 1 } });
    await world.pass(3);
    assert.deepEqual(await samples('replicaset_controller_sorting_deletion_age_ratio'), ['2']);
  });

  it('count Jobs, their pods and indexes once', async () => {
    world.play = (pod) =>
      pod.metadata.labels?.['job'] === undefined ? 'ready' : { exitCode: pod.metadata.labels['job'] === 'bad' ? 1 : 0 };
    await world.client.resource('jobs.batch').create(job('good', { completions: 3, parallelism: 3, completionMode: 'Indexed' }));
    await world.client.resource('jobs.batch').create(job('bad', { backoffLimit: 0 }));
    await world.client.resource('jobs.batch').create(job('others', { managedBy: 'example.com/other' }));
    await world.pass(30);
    assert.deepEqual((await samples('job_controller_jobs_finished_total')).sort(), [
      'completion_mode=Indexed result=succeeded reason=CompletionsReached 1',
      'completion_mode=NonIndexed result=failed reason=BackoffLimitExceeded 1',
    ]);
    assert.deepEqual((await samples('job_controller_job_pods_finished_total')).sort(), [
      'completion_mode=Indexed result=succeeded 3',
      'completion_mode=NonIndexed result=failed 1',
    ]);
    assert.deepEqual(await samples('job_controller_job_finished_indexes_total'), ['status=succeeded backoffLimit=global 3']);
    assert.deepEqual(await samples('job_controller_terminated_pods_tracking_finalizer_total'), ['event=add 4', 'event=delete 4']);
    assert.deepEqual(await samples('job_controller_jobs_by_external_controller_total'), ['controller_name=example.com/other 1']);
    assert.deepEqual(await samples('job_controller_job_pods_creation_total'), ['reason=new status=succeeded 4']);
  });

  it('tell of nodes, their ranges and the publication of the CA', async () => {
    assert.deepEqual(await samples('node_collector_zone_size'), [
      'zone=region=:zone=a 1'.replace('zone=region=:zone=a', await zone()),
    ]);
    assert.deepEqual(await samples('node_collector_zone_health'), [`${await zone()} 100`]);
    assert.deepEqual(await samples('node_collector_unhealthy_nodes_in_zone'), [`${await zone()} 0`]);
    assert.deepEqual(await samples('node_ipam_controller_cidrset_cidrs_allocations_total'), ['clusterCIDR=10.244.0.0/16 1']);
    assert.ok((await samples('root_ca_cert_publisher_sync_total')).some((one) => one.startsWith('code=200 ')));
    world.connected.delete('n1');
    await world.pass(50);
    await world.pass(10);
    assert.deepEqual(await samples('node_collector_unhealthy_nodes_in_zone'), [`${await zone()} 1`]);
  });

  async function zone(): Promise<string> {
    return (await samples('node_collector_zone_size'))[0]?.split(' ')[0] ?? '';
  }

  it('tell of slices and volumes', async () => {
    await world.client.resource('services').create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }], trafficDistribution: 'PreferSameZone' },
    });
    await world.client.resource('persistentvolumeclaims').create({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'data', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'none' },
    });
    await world.pass(3);
    assert.deepEqual(await samples('endpoint_slice_controller_num_endpoint_slices'), ['1']);
    assert.deepEqual(await samples('endpoint_slice_controller_desired_endpoint_slices'), ['1']);
    assert.ok((await samples('endpoint_slice_controller_changes')).some((one) => one.startsWith('operation=create ')));
    assert.deepEqual(await samples('endpoint_slice_controller_services_count_by_traffic_distribution'), [
      'traffic_distribution=PreferSameZone 1',
    ]);
    assert.deepEqual(await samples('pv_collector_unbound_pvc_count'), [
      'namespace=default storage_class=none volume_attributes_class= 1',
    ]);
  });
});
