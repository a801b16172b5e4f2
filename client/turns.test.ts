import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { atOnce, type Steps } from '#api/steps.ts';
import { inTurns, letOthersIn } from './turns.ts';

describe('turns', () => {
  function* counting(name: string, told: string[]): Steps<number> {
    for (let step = 1; step <= 3; step++) {
      told.push(`${name}${step}`);
      yield;
    }
    return 3;
  }

  it('give each step of each work one of its own, in turn', async () => {
    const told: string[] = [];
    let running = true;
    // An immediate that sets the next one tells where a turn ends.
    const tell = (): void => {
      told.push('|');
      if (running) setImmediate(tell);
    };
    setImmediate(tell);
    assert.deepEqual(await Promise.all([inTurns(counting('a', told)), inTurns(counting('b', told))]), [3, 3]);
    running = false;
    const turns = told
      .join('')
      .split('|')
      .filter((turn) => turn !== '');
    assert.deepEqual(turns, ['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  });

  it('let in what has arrived before', async () => {
    const { port1, port2 } = new MessageChannel();
    const arrived = new Promise<string>((resolve) => port2.once('message', () => resolve('message')));
    // From an I/O callback a single immediate would come first.
    await new Promise((resolve) => {
      const { port1: first, port2: second } = new MessageChannel();
      second.once('message', () => {
        port1.postMessage('x');
        resolve(undefined);
        second.close();
      });
      first.postMessage('x');
    });
    assert.equal(await Promise.race([arrived, letOthersIn().then(() => 'turn')]), 'message');
    port1.close();
  });

  it('are not needed for work that is done at once; what a step throws is thrown', async () => {
    const told: string[] = [];
    assert.equal(atOnce(counting('a', told)), 3);
    assert.deepEqual(told, ['a1', 'a2', 'a3']);
    function* failing(): Steps<void> {
      yield;
      throw new Error('no');
    }
    assert.throws(() => atOnce(failing()), /^Error: no$/);
    await assert.rejects(inTurns(failing()), /^Error: no$/);
  });
});
