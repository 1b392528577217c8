<?php
// Take events, and check that they are true: php -S 127.0.0.1:8000 event.php
//
// SHOP_EVENTS_SECRET is what `sluicegate events secret` made. An event may come twice: keep its webhook-id to
// know what you have seen. Whatever is not answered 2xx comes again, for three days.
declare(strict_types=1);

/** Whether a webhook is signed as Standard Webhooks says, within the last five minutes. */
function isTrue(string $id, string $stamp, string $signatures, string $body): bool
{
    if (!ctype_digit($stamp) || abs(time() - (int) $stamp) > 300) {
        return false;
    }
    $secret = base64_decode(substr((string) getenv('SHOP_EVENTS_SECRET'), strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", $secret, true));
    foreach (explode(' ', $signatures) as $signature) { // two while the secret is exchanged
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

$body = (string) file_get_contents('php://input');
$headers = array_map(fn ($name) => $_SERVER["HTTP_WEBHOOK_$name"] ?? '', ['ID', 'TIMESTAMP', 'SIGNATURE']);
if (!isTrue(...[...$headers, $body])) {
    http_response_code(400);
    exit;
}
$event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
error_log("{$event['type']} " . ($event['data']['payload']['id'] ?? ''));
http_response_code(204);
