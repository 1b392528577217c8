<?php
// Send one message over HTTP with PHP alone: php send.php TO FROM TEXT [KEY]
//
// SLUICEGATE_URL is where `sluicegate serve` listens, and SLUICEGATE_TOKEN is the app's token. The key
// becomes the message's id: the same key never sends twice, so a failed call is simply repeated.
declare(strict_types=1);

/** POST a message; returns the status, what was answered, and for how many seconds to wait. */
function post(array $message, string $key): array
{
    $url = (getenv('SLUICEGATE_URL') ?: 'http://127.0.0.1:8080') . '/v2/messages';
    $context = stream_context_create(['http' => [
        'method' => 'POST',
        'header' => [
            'Authorization: Bearer ' . getenv('SLUICEGATE_TOKEN'),
            'Content-Type: application/json',
            "Idempotency-Key: $key",
        ],
        'content' => json_encode($message, JSON_THROW_ON_ERROR),
        'timeout' => 20,
        'ignore_errors' => true, // an answer that refuses has a body as well
    ]]);
    $answer = @fopen($url, 'r', false, $context);
    if ($answer === false) {
        return [0, [], 1];
    }
    $headers = implode("\n", stream_get_meta_data($answer)['wrapper_data']);
    preg_match('/^HTTP\S* (\d+)/', $headers, $status);
    preg_match('/^retry-after: (\d+)/mi', $headers, $wait);
    return [(int) $status[1], json_decode(stream_get_contents($answer), true) ?? [], (int) ($wait[1] ?? 1)];
}

function send(array $message, string $key, int $tries = 4): array
{
    for ($left = $tries; $left > 0; $left--) {
        [$status, $answer, $wait] = post($message, $key);
        if ($status === 200) {
            return $answer['data'];
        }
        if ($status !== 0 && $status !== 503) {
            $error = $answer['errors'][0];
            throw new RuntimeException("$status {$error['code']} {$error['title']}: {$error['detail']}");
        }
        if ($left > 1) {
            sleep($wait);
        }
    }
    throw new RuntimeException('not accepted: no answer, or 503 each time');
}

[, $to, $from, $text] = $argv + ['', '', '', ''];
try {
    $sent = send(['to' => $to, 'from' => $from, 'text' => $text], $argv[4] ?? bin2hex(random_bytes(16)));
    echo "{$sent['id']}: {$sent['to'][0]['status']}\n";
} catch (RuntimeException $error) {
    fwrite(STDERR, "not sent: {$error->getMessage()}\n");
    exit(1);
}
