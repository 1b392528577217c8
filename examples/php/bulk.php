<?php
// Send many messages over HTTP with PHP alone: php bulk.php FILE
//
// Each line of FILE is a message in JSON, with an idempotency_key of its own. It sends 5,000 at a time, and
// asks for refusals alone and a last line that counts the others. Where that line is missing, or a line got
// 429 or 503, they are sent again: with its key none goes out twice.
declare(strict_types=1);

const AT_ONCE = 5_000;

/** Send lines; returns each line of the answer, the last of which is missing if it broke off. */
function answered(array $lines): array
{
    $url = (getenv('SLUICEGATE_URL') ?: 'http://127.0.0.1:8080') . '/v2/messages/bulk';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'protocol_version' => 1.1,
        'header' => [
            'Authorization: Bearer ' . getenv('SLUICEGATE_TOKEN'),
            'Content-Type: application/x-ndjson',
            'Prefer: return=minimal',
            'Connection: close',
        ],
        'content' => implode("\n", $lines),
        'timeout' => 60,
        'ignore_errors' => true,
    ]]);
    $answer = @fopen($url, 'r', false, $context);
    if ($answer === false) {
        return [];
    }
    preg_match('/^HTTP\S* (\d+)/', stream_get_meta_data($answer)['wrapper_data'][0], $status);
    $body = (string) stream_get_contents($answer);
    if ($status[1] !== '200' && $status[1] < '500') {
        throw new RuntimeException("$status[1] $body");
    }
    return array_map(fn ($line) => json_decode($line, true) ?? [], explode("\n", trim($body)));
}

/** Send lines until each is taken or refused; returns the refusals. */
function send(array $lines, int $tries = 5): array
{
    $refused = [];
    for ($left = $tries; $lines; $left--) {
        if ($left === 0) {
            throw new RuntimeException(count($lines) . ' lines were not taken');
        }
        $answers = answered($lines);
        $wait = 1;
        $again = isset(end($answers)['taken']) ? [] : $lines;
        foreach ($again ? [] : array_slice($answers, 0, -1) as $answer) {
            if (in_array($answer['status'], [429, 503], true)) {
                $again[] = $lines[$answer['line'] - 1];
                $wait = max($wait, $answer['retry_after'] ?? 1);
            } else {
                $refused[] = $answer;
            }
        }
        $lines = $again;
        if ($lines && $left > 1) {
            sleep($wait);
        }
    }
    return $refused;
}

$lines = array_values(array_filter(file($argv[1], FILE_IGNORE_NEW_LINES), fn ($line) => trim($line) !== ''));
$refused = 0;
try {
    foreach (array_chunk($lines, AT_ONCE) as $some) {
        foreach (send($some) as $answer) {
            $error = $answer['errors'][0];
            fwrite(STDERR, ($answer['id'] ?? 'a line') . ": {$error['code']} {$error['title']}: {$error['detail']}\n");
            $refused++;
        }
    }
} catch (RuntimeException $error) {
    fwrite(STDERR, "not sent: {$error->getMessage()}\n");
    exit(1);
}
echo count($lines) - $refused, " taken, $refused refused\n";
exit($refused ? 1 : 0);
