import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { SAMPLE_ACTIONS, SAMPLE_FORMATS, sampleWebhook } from '../../src/cli/sample-webhook.ts';
import { decode } from '../../src/decode/decode.ts';
import { AnsweringServer, answering } from '../support/answering-server.ts';
import { aFolder, anInstallation, GatewayProcess, run, serve, WEBHOOK_TOKEN } from '../support/serve-process.ts';
import { StubBrigade } from '../support/stub-brigade.ts';

/** A gateway, its Brigade, and `send` with the token in a file. */
async function aGateway(t: TestContext) {
  const brigade = await StubBrigade.start(t);
  const installation = await anInstallation(t, brigade.address);
  const tokenFile = join(installation.folder, 'token');
  await writeFile(tokenFile, `${WEBHOOK_TOKEN}\n`);
  const gateway = await serve(t, installation);
  const url = `http://127.0.0.1:${gateway.ingestPort}/events`;
  return {
    brigade,
    installation,
    gateway,
    send: (...args: string[]) => run(t, ['send', url, '--token-file', tokenFile, ...args], {}),
  };
}

suite('send', { concurrency: 2 }, () => {
  test('sends every action in every format that has it, and the gateway reads it', async (t) => {
    const { brigade, send } = await aGateway(t);
    for (const format of SAMPLE_FORMATS) {
      for (const action of ['push', 'delete'] as const) {
        const { code, output, errors } = await send(
          '--format',
          format,
          '--action',
          action,
          '--repository',
          'team/app',
          '--tag',
          'v2',
        );
        assert.equal(code, 0, output + errors);
        const { id } = JSON.parse(output.slice(4)).events[0];
        await brigade.untilTaken(id);
        const { type, labels, qualifiers } = brigade.arrivalsOf(id)[0]?.event ?? assert.fail();
        const tag = action === 'push' ? 'v2' : undefined;
        assert.deepEqual([type, labels['repo'], labels['tag']], [action, 'team/app', tag]);
        assert.deepEqual(qualifiers, { registry: 'example.azurecr.io' });
      }
    }
  });

  test('sends many webhooks, some at a time, and prints the answers and their latency', async (t) => {
    const { brigade, send } = await aGateway(t);
    const { code, output, errors } = await send('--count', '200', '--concurrency', '16');
    assert.equal(code, 0, errors);
    assert.match(output, /^200 {2}200\ntotal {2}200 in \d+\.\d s, \d+\.\d\/s\np50 {2}\d+\.\d ms\np99 {2}\d+\.\d ms$/);
    assert.equal(errors, '');
    await brigade.until(({ taken }) => taken.size === 200);
  });

  test('sends a saved body, byte for byte, with saved headers', async (t) => {
    const server = await AnsweringServer.start(t, answering(200, 'fine'));
    const folder = await aFolder(t);
    await writeFile(join(folder, 'body'), '{"é": 1}\n');
    await writeFile(join(folder, 'headers'), 'POST /events HTTP/1.1\r\nCE-Id: one\r\nContent-Type: text/plain\r\n');
    const args = ['send', server.address, '--file', join(folder, 'body'), '--headers', join(folder, 'headers')];
    const { code, output } = await run(t, args, { WEBHOOK_TOKEN: 's3cret' });
    assert.deepEqual([code, output], [0, '200 fine']);
    const [asked] = server.asked;
    assert.equal(asked?.body, '{"é": 1}\n');
    const { authorization, 'ce-id': id, 'content-type': type } = asked?.headers ?? {};
    assert.deepEqual([authorization, id, type], ['Bearer s3cret', 'one', 'text/plain']);
  });

  test('prints what was answered when it is interrupted, and exits with 1', async (t) => {
    const fine = answering(200, 'fine');
    const server = await AnsweringServer.start(t, (response, asked) => {
      // The third request gets no answer.
      if (server.asked.length < 3) fine(response, asked);
    });
    const args = ['send', server.address, '--count', '9', '--concurrency', '1'];
    const sending = GatewayProcess.start(t, args, { env: {} });
    await server.untilAsked(3);
    sending.signal('SIGINT');
    assert.equal(await sending.ended, 1);
    assert.match(sending.printed.join('\n'), /^200 {2}2\ntotal {2}2 in .*interrupted after 2 of 9$/s);
  });

  test('says what helps with a wrong token and a wrong path', async (t) => {
    const { gateway, send } = await aGateway(t);
    const address = `http://127.0.0.1:${gateway.ingestPort}`;
    const rejected = await run(t, ['send', `${address}/events`], {});
    assert.match(rejected.errors, /^403: .*--token-file data\/webhook-token/);
    const lost = await run(t, ['send', address], {});
    assert.deepEqual([lost.code, lost.errors], [1, `404: webhooks go to ${address}/events, not to ${address}`]);
    assert.equal((await send()).errors, '');
  });

  test('exits with 1 after an error or without an answer, and prints no control characters', async (t) => {
    const server = await AnsweringServer.start(t, answering(403, 'no\u001b[2J'));
    const rejected = await run(t, ['send', server.address], {});
    assert.deepEqual([rejected.code, rejected.output], [1, '403 no\\u001b[2J']);
    const brigade = await StubBrigade.start(t);
    await brigade.goDown();
    const unanswered = await run(t, ['send', brigade.address, '--count', '3'], {});
    assert.equal(unanswered.code, 1);
    assert.match(unanswered.output, /^no answer {2}3\n[\s\S]*ECONNREFUSED/);
  });

  for (const [what, code, pattern, ...args] of [
    [
      'an action that the format does not have',
      64,
      /the format distribution has no quarantine/,
      '--format',
      'distribution',
      '--action',
      'quarantine',
    ],
    ['an unknown format', 64, /Allowed choices are acr/, '--format', 'xml'],
    ['a saved body that does not exist', 64, /nowhere: there is no such file/, '--file', 'nowhere'],
    [
      'a token file that does not exist',
      78,
      /WEBHOOK_TOKEN_PATH: .*nowhere: there is no such file/,
      '--token-file',
      'nowhere',
    ],
    [
      'an address with a token in it',
      78,
      /WEBHOOK_URL: must be .* without credentials/,
      'http://127.0.0.1:9/?access_token=s3cret',
    ],
  ] as const) {
    test(`exits with ${code} for ${what}`, async (t) => {
      const ended = await run(t, ['send', ...args], {});
      assert.equal(ended.code, code);
      assert.match(ended.errors, pattern);
      assert.doesNotMatch(ended.errors, /s3cret/);
    });
  }
});

test('every sample decodes to its event', () => {
  const place = { registry: 'example.azurecr.io', repository: 'team/app', tag: '1.2.3' };
  const samples = SAMPLE_FORMATS.flatMap((format) => SAMPLE_ACTIONS.map((action) => ({ format, action })));
  const webhooks = samples.flatMap((kind) => {
    const webhook = sampleWebhook({ ...kind, ...place, id: 'a', at: new Date() });
    return webhook === undefined ? [] : [{ ...kind, decoded: decode(Buffer.from(webhook.body), webhook.headers) }];
  });
  assert.equal(webhooks.length, 6 + 4 * 4 + 2);
  for (const { format, action, decoded } of webhooks) {
    const [event] = decoded.kind === 'decoded' ? decoded.events : [];
    const read = event?.kind === 'event' ? event.event.action : event?.kind === 'nothing' ? event.reason : undefined;
    assert.equal(read, action, `${format}: ${JSON.stringify(decoded)}`);
  }
});
