import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ip, TestNamespaces } from '#agent/host/namespaces.testing.ts';
import { checkNodeIps } from './node-ip.ts';

describe('the addresses of a node', () => {
  const namespaces = new TestNamespaces('tnip');
  after(() => namespaces.close());

  it('are those of --node-ip: one, or one of each family', () => {
    assert.deepEqual(checkNodeIps('10.0.0.1'), ['10.0.0.1']);
    assert.deepEqual(checkNodeIps('10.0.0.1, fd00::1'), ['10.0.0.1', 'fd00::1']);
    for (const text of ['', '10.0.0.1,10.0.0.2', '10.0.0.1,fd00::1,fd00::2', '10.0.0', '10.0.0.1,'])
      assert.throws(() => checkNodeIps(text), /^Error: --node-ip /, text);
  });

  it('are by default that of the interface that leads to the API server, never the one that every VM of Vagrant has', async () => {
    const vm = await namespaces.add('vm');
    for (const [link, address] of [
      ['eth0', '10.0.2.15/24'],
      ['eth1', '192.168.56.11/24'],
    ] as const) {
      await ip('-n', vm.name, 'link', 'add', link, 'type', 'veth', 'peer', 'name', `${link}-far`);
      await ip('-n', vm.name, 'link', 'set', `${link}-far`, 'up');
      await ip('-n', vm.name, 'address', 'add', address, 'dev', link);
      await ip('-n', vm.name, 'link', 'set', link, 'up');
    }
    await ip('-n', vm.name, 'route', 'add', 'default', 'via', '10.0.2.2');
    const found = async (server: string): Promise<string> => {
      const script = `import { addressTowards } from ${JSON.stringify(join(import.meta.dirname, 'node-ip.ts'))}; console.log(await addressTowards(${JSON.stringify(server)}));`;
      const argv = [process.execPath, '--no-warnings', '--input-type=module-typescript', '-e', script];
      return (await vm.exec(argv, { cwd: import.meta.dirname })).stdout.trim();
    };
    assert.equal(await found('https://192.168.56.10:6443'), '192.168.56.11');
    assert.equal(await found('https://192.168.56.11:6443'), '192.168.56.11');
    // The API server is on this machine: the machine's first address that is its own.
    assert.equal(await found('https://127.0.0.1:6443'), '192.168.56.11');
  });
});
