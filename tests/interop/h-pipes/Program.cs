// SPDX-License-Identifier: Apache-2.0
// The other end of test_second_pipe.sh with the library itself, from NuGet.
// Messages are strings, which its default formatter writes as JSON.
//
//     HPipes server NAME CLIENTS   echoes, until so many have left
//     HPipes client NAME ROUNDS    connects anew for each round
using System;
using System.Threading;
using System.Threading.Tasks;
using H.Pipes;

static class Program
{
    const int Messages = 150;

    static string Message(int number)
    {
        return new string((char)('a' + number % 26), number * number) + number;
    }

    static async Task<int> Serve(string name, int clients)
    {
        var left = new SemaphoreSlim(0);
        var server = new PipeServer<string>(name);
        int failed = 0;

        server.MessageReceived += async (_, args) =>
            await args.Connection.WriteAsync(args.Message);
        server.ClientDisconnected += (_, args) => left.Release();
        server.ExceptionOccurred += (_, args) =>
            Console.Error.WriteLine(args.Exception);
        await server.StartAsync();
        for (int i = 0; i < clients && failed == 0; i++)
            if (!await left.WaitAsync(TimeSpan.FromSeconds(20)))
                failed = 1;
        await server.DisposeAsync();
        return failed;
    }

    static async Task<int> Converse(string name)
    {
        var came = new SemaphoreSlim(0);
        var client = new PipeClient<string>(name);
        string last = null;
        int failed = 0;

        client.MessageReceived += (_, args) =>
        {
            last = args.Message;
            came.Release();
        };
        using (var limit = new CancellationTokenSource(10000))
            await client.ConnectAsync(limit.Token);
        for (int i = 0; i < Messages && failed == 0; i++)
        {
            await client.WriteAsync(Message(i));
            if (!await came.WaitAsync(TimeSpan.FromSeconds(10)) ||
                last != Message(i))
            {
                Console.Error.WriteLine("message {0} is wrong", i);
                failed = 1;
            }
        }
        await client.DisposeAsync();
        return failed;
    }

    static async Task<int> Main(string[] args)
    {
        int times = int.Parse(args[2]);
        int failed = 0;

        if (args[0] == "server")
            return await Serve(args[1], times);
        for (int i = 0; i < times && failed == 0; i++)
            failed = await Converse(args[1]);
        return failed;
    }
}
